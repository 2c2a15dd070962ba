"""A new model is one Python file and one yaml, a new loss one Python file, with no other edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import LOSSES, TRACKERS
from lightning_pose.models.build import load_tracker
from tests.cli.conftest import NEW_FRAMES, TINY, UNTRACKED, Litpose, litpose, tiny_data

MODEL = '''
import torch
from torch import nn

from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.models.base import BaseSupervisedTracker, to_image


@TRACKERS.register("{name}")
class MyTracker(BaseSupervisedTracker):
    """Says where keypoints are from the mean of the feature map."""

    def __init__(self, parts):
        super().__init__(parts)
        self.point = nn.Linear(parts.backbone.channels, 2 * self.spec.num_keypoints)

    @classmethod
    def supervised_loss(cls, *, heatmap_loss_type="mse"):
        return "{loss}"

    def locate(self, batch):
        pooled = self.get_representations(batch).mean((1, 2, -2, -1))
        points = self.point(pooled).unflatten(-1, (-1, 2)) + 32
        return points, torch.full_like(points[..., 0], 0.5)

    def get_loss_inputs_labeled(self, batch):
        return self.keypoint_inputs(batch, *self.locate(batch))

    def predict_batch(self, batch):
        points, confidence = self.locate(batch)
        return to_image(points, batch.net_to_image), confidence
'''
LOSS = '''
import torch

from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss


@LOSSES.register("heatmap_{name}")
class MyLoss(Loss):
    """Absolute difference of the heatmaps, summed over pixels."""

    def forward(self, *, heatmaps_targ, heatmaps_pred):
        return (heatmaps_targ - heatmaps_pred).abs().sum((-2, -1)).mean()
'''
PROGRAM = """
import sys
from lightning_pose.cli.main import main
words = sys.argv[1:]
middle = words.index("then")
sys.exit(main(words[:middle]) or main(words[middle + 1 :]))
"""


@pytest.fixture
def _forgotten_afterwards() -> Iterator[None]:
    """Take what a test registered out of the registries again."""
    before = [dict(registry._entries) for registry in (TRACKERS, LOSSES)]
    names, path = set(sys.modules), list(sys.path)
    yield
    for registry, entries in zip((TRACKERS, LOSSES), before, strict=True):
        registry.names()
        registry._entries = {
            key: entry
            for key, entry in registry._entries.items()
            if key in entries or entry.value.__module__.startswith("lightning_pose.")
        }
    for name in set(sys.modules) - names:
        if name.startswith("my_"):
            del sys.modules[name]
    sys.path[:] = path


@pytest.mark.usefixtures("_forgotten_afterwards")
def test_a_model_from_a_folder_of_ones_own(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_plugin.py").write_text(MODEL.format(name="mine", loss="regression"))
    group = tmp_path / "my_conf" / "model"
    group.mkdir(parents=True)
    (group / "mine.yaml").write_text(
        "# @package _global_\nplugins: [my_plugin]\nmodel: {model_type: mine}\n"
    )
    done = litpose(
        "train",
        "--config-dir",
        "my_conf",
        "data=toy",
        tiny_data(toy),
        "model=mine",
        *TINY,
        UNTRACKED,
        "eval=none",
    )
    assert done.code == 0, done.err
    assert load_tracker(done.run_dir / "checkpoints" / "best.ckpt").spec.model_type == "mine"
    run_dir = done.run_dir.resolve()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # as in a new process, which knows nothing of the plug-in
    del TRACKERS._entries["mine"], sys.modules["my_plugin"]
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != tmp_path]
    _predicts(litpose, run_dir, toy)
    _registered_model_brings_the_plugin(run_dir, toy, plugin=tmp_path / "my_plugin.py")


def _registered_model_brings_the_plugin(run_dir: Path, toy: Path, *, plugin: Path) -> None:
    store = f"sqlite:///{Path.cwd()}/mlflow.db"
    words = ("--name", "mouse", "--tracking-uri", store)
    assert litpose("registry", "register", run_dir, *words).code == 0
    shutil.rmtree(run_dir)
    plugin.unlink()
    del TRACKERS._entries["mine"], sys.modules["my_plugin"]
    sys.path[:] = [folder for folder in sys.path if Path(folder) != plugin.parent]
    done = litpose("predict", "models:/mouse@challenger", toy / "videos" / "new1.mp4")
    assert done.code == 0, done.err
    assert "plugins" in str(sys.modules["my_plugin"].__file__)


@pytest.mark.usefixtures("_forgotten_afterwards")
def test_a_loss_from_a_folder_of_ones_own(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "my_losses.py").write_text(LOSS.format(name="mine"))
    done = litpose(
        "train",
        "data=toy",
        tiny_data(toy),
        "plugins=[my_losses]",
        "model.heatmap_loss_type=mine",
        *TINY,
        UNTRACKED,
        "eval=none",
    )
    assert done.code == 0, done.err
    _predicts(litpose, done.run_dir, toy)


def test_a_model_and_a_loss_in_the_package_itself(
    checkout: Path, toy: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "checkout"
    for name in ("lightning_pose", "hydra_plugins", "conf", "sweeps"):
        unneeded = shutil.ignore_patterns("__pycache__")
        shutil.copytree(checkout / name, tree / name, ignore=unneeded)
    model = MODEL.format(name="my", loss="my_distance")
    loss = LOSS.format(name="my").replace("heatmap_my", "my_distance")
    loss = loss.replace("heatmaps_targ - heatmaps_pred", "targ - keypoints_pred")
    loss = loss.replace("*, heatmaps_targ, heatmaps_pred", "*, keypoints_targ, keypoints_pred")
    nan_safe = (
        "        targ = torch.where(keypoints_targ.isnan(), keypoints_pred, keypoints_targ)\n"
    )
    loss = loss.replace("        return", f"{nan_safe}        return")
    (tree / "lightning_pose" / "models" / "my_tracker.py").write_text(model)
    (tree / "lightning_pose" / "losses" / "my_distance.py").write_text(loss)
    (tree / "conf" / "model" / "my.yaml").write_text("model_type: my\n")
    line = ["train", "data=toy", tiny_data(toy), "model=my", *TINY, UNTRACKED, "eval=none"]
    line += [f"hydra.run.dir={tmp_path / 'run'}", "then"]
    line += ["predict", str(tmp_path / "run"), str(toy / "videos" / "new1.mp4")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *line],
        env=os.environ | {"PYTHONPATH": str(tree)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    predictions = Predictions.read(tmp_path / "run" / "video_preds" / "new1.csv")
    assert len(predictions.xy_img) == NEW_FRAMES
    assert "my on resnet18" in " ".join(done.stderr.split())


def _predicts(program: Litpose, run_dir: Path, toy: Path) -> None:
    done = program("predict", run_dir, toy / "videos" / "new1.mp4")
    assert done.code == 0, done.err
    assert len(Predictions.read(run_dir / "video_preds" / "new1.csv").xy_img) == NEW_FRAMES
