"""Simulated jets in the layouts of the published data sets: what the two simulate_*.py commands share."""
