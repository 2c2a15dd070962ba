"""Versions of data and checkpoints: what DVC has, and what was made from what."""
