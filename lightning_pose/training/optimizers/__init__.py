"""Optimisers and learning-rate schedulers by name; a new file here registers another."""
