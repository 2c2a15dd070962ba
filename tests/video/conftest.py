"""The awkward videos, each made once when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.video.corpus import Maker
from tests.video.corpus_more import EVERY


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the path of a video of the corpus by its file name."""
    folder = tmp_path_factory.mktemp("corpus")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            make: Maker = EVERY[name]
            make(path, made)
        return path

    return made
