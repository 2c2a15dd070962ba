"""Where kernels are tested: on a GPU, or interpreted on the CPU by a process that was told to."""

from __future__ import annotations

import os

import pytest

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
NEEDS_GPU = [] if INTERPRETED else [pytest.mark.gpu]
