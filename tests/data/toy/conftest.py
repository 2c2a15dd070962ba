"""One small toy data set for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.data.toy import make_toy_dataset


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a toy data set with six labelled frames of two sessions."""
    return make_small(tmp_path_factory.mktemp("toy") / "set")


@pytest.fixture(scope="session")
def toy_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same data set, made a second time."""
    return make_small(tmp_path_factory.mktemp("toy") / "again")


def make_small(out: Path, *, seed: int = 3, separate_cameras: bool = False) -> Path:
    return make_toy_dataset(
        out,
        seed=seed,
        num_labeled=6,
        num_sessions=2,
        num_video_frames=7,
        num_new_labeled=2,
        num_new_video_frames=5,
        separate_cameras=separate_cameras,
    )
