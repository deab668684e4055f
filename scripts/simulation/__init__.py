"""Simulated jets in the layouts of the published data sets, for the two simulate_*.py commands."""
