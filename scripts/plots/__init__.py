"""Pictures, tables and reports of experiment folders: what scripts/plot.py and report.py are made of."""
