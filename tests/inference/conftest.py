"""The corpus of awkward videos, also for predictions."""

from __future__ import annotations

from tests.video.conftest import corpus

__all__ = ["corpus"]
