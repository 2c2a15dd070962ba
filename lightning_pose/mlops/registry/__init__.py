"""Trained models in the tracking store."""
