"""Unlabelled video for training: which sequences are drawn, how they are changed, batches.

Everything random is a function of seed, epoch, step and rank.
"""

from lightning_pose.data.unlabeled.loader import UnlabeledLoader
from lightning_pose.data.unlabeled.sessions import find_box_files, find_sessions

__all__ = ["UnlabeledLoader", "find_box_files", "find_sessions"]
