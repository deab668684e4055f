"""Trainings and tests of several networks, and the tables and pictures of them (scripts/learning_curve.py, ...)."""
