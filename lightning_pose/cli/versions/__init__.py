"""Versions of data: projects, labels, and runs traced back and made again."""
