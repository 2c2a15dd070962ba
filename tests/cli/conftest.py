"""One tiny data set and one training through the program itself, shared by the tests here."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.cli.main import main
from lightning_pose.data.toy import make_toy_dataset
from tests.video.conftest import corpus as corpus  # the awkward videos, a fixture

VIDEO_FRAMES, NEW_FRAMES = 12, 5
NUM_LABELED = 20
TINY = (
    "model.backbone=resnet18",
    "model.backbone_pretrained=false",
    "data.image_resize_dims.height=64",
    "data.image_resize_dims.width=64",
    "training.imgaug=default",
    "training.max_epochs=2",
    "training.train_frames=8",
    "training.train_batch_size=4",
    "training.accelerator=cpu",
)
UNTRACKED = "tracking.enabled=false"


@dataclass(frozen=True)
class Done:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> str:
        """Return what was said on stderr, without the line breaks."""
        return " ".join(self.err.split())

    @property
    def json(self) -> Any:
        """Return stdout, which must be JSON and nothing else."""
        return json.loads(self.out)

    @property
    def run_dir(self) -> Path:
        """Return what the last line of a training names."""
        last = self.out.splitlines()[-1]
        assert last.startswith("run: "), self.out
        return Path(last.removeprefix("run: "))


Litpose = Callable[..., Done]


def litpose(*words: object) -> Done:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Done(code, out.getvalue(), err.getvalue())


def tiny_data(folder: Path) -> str:
    """Return the override that trains on a folder."""
    return f"data.data_dir={folder}"


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small toy data set."""
    return make_toy_dataset(
        tmp_path_factory.mktemp("toy") / "data",
        num_labeled=NUM_LABELED,
        num_sessions=2,
        num_video_frames=VIDEO_FRAMES,
        num_new_labeled=3,
        num_new_video_frames=NEW_FRAMES,
    )


@pytest.fixture(scope="session")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Return a recorded training, run in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        return litpose("train", "data=toy", tiny_data(toy), *TINY)


@pytest.fixture
def run_dir(trained: Done) -> Path:
    """Return the run directory of the shared training; nobody may write into it."""
    assert trained.code == 0, trained.err
    return trained.run_dir
