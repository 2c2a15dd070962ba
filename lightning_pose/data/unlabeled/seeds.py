"""Random numbers as a function of integers: seed, epoch, step and the like."""

from __future__ import annotations

import numpy as np

_UNLABELED = 0x76696465  # keeps these apart from the draws of labelled batches with the same seed


def random_source(*parts: int) -> np.random.Generator:
    """Return a generator that depends on every part and on nothing else."""
    return np.random.default_rng(np.random.SeedSequence([_UNLABELED, *parts]))
