"""Pictures, tables and reports of experiments, for scripts/plot.py and scripts/report.py."""
