"""Trainings: one, several processes, sweeps, and their records."""
