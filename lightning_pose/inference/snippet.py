"""The part of a video in which most happens."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np

from lightning_pose.contracts.predictions import Predictions


def most_active_window(
    predictions: Predictions,
    *,
    fps: Fraction | float | int,
    seconds: float = 30.0,
    confidence_threshold: float = 0.9,
) -> range:
    """Return the frames of the window with the highest motion energy.

    Motion energy is the mean over the window of the mean keypoint speed, in pixels per frame, of
    keypoints with confidence of at least the threshold (or unknown) in both frames. A shorter
    video is taken whole; of equal windows the first counts.

    Args:
        predictions: of every frame of a video.
        fps: frames per second.
        seconds: length of the window.
        confidence_threshold: keypoints below it say nothing about motion.
    """
    total = len(predictions)
    length = max(1, round(seconds * fps))
    if length >= total:
        return range(total)
    sure = ~(predictions.confidence < confidence_threshold)
    speed = np.linalg.norm(np.diff(predictions.xy_img, axis=0), axis=-1)
    speed[~(sure[1:] & sure[:-1])] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without one sure keypoint
        energy = np.nan_to_num(np.nanmean(speed, axis=1), nan=0.0)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    # Window [start, start + length) has the length - 1 steps from its first to its last frame.
    windows = sums[length - 1 :] - sums[: total - length + 1]
    start = int(np.argmax(windows))
    return range(start, start + length)
