"""Heads: from feature maps to heatmaps or coordinates."""
