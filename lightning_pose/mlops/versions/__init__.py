"""Versions of code, data and labels: git and DVC."""
