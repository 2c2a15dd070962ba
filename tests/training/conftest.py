"""Lets the tests of this folder import the tiny tracker beside them, in child processes too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    from tiny import BACKBONE, BACKBONES, register_backbone

    register_backbone()
    yield
    BACKBONES._entries.pop(BACKBONE)
