"""Versions of data and checkpoints: what DVC has, what a run began with, what was made from what."""
