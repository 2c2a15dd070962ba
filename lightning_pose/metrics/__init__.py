"""Metrics: how good predictions are, per frame and keypoint, and summed up."""
