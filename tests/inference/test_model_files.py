"""A model is found in a run directory or a checkpoint; what is missing is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.inference import model as model_module
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import BEST, LAST, ModelFiles
from lightning_pose.models.build import build_tracker, load_tracker, save_weights

SPEC = ModelSpec(
    model_type="heatmap",
    backbone="resnet18",
    keypoint_names=("nose", "tail"),
    image_height=64,
    image_width=64,
)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    run = tmp_path / "run"
    save_weights(build_tracker(SPEC), run / BEST)
    (run / "config.yaml").write_text("data: {}\n")
    RunRecord(run_id="ab" * 16).write(run / "run.json")
    return run


def test_a_run_directory_predicts_alone(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_download(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_download)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_download)
    model = Model.load(run_dir, device="cpu")
    predictions = model.predict_frames(np.zeros((3, 50, 70, 3), dtype=np.uint8))
    assert len(predictions) == 3
    assert predictions.keypoint_names == ("nose", "tail")
    assert predictions.run_id == model.run_id == "ab" * 16


def test_a_checkpoint_is_enough(run_dir: Path, tmp_path: Path) -> None:
    alone = tmp_path / "weights.ckpt"
    (run_dir / BEST).rename(alone)
    assert Model.load(alone, device="cpu").run_id == ""


def test_a_checkpoint_in_its_run_directory_knows_the_run(run_dir: Path) -> None:
    files = ModelFiles.find(run_dir / BEST)
    assert files.run_dir == run_dir
    assert files.run_id == "ab" * 16
    expected = hashlib.sha256((run_dir / BEST).read_bytes()).hexdigest()
    assert files.checkpoint_sha256 == expected


def test_the_hash_is_of_the_weights_that_were_loaded(run_dir: Path) -> None:
    expected = hashlib.sha256((run_dir / BEST).read_bytes()).hexdigest()
    loaded = Model.load(run_dir, device="cpu")
    save_weights(build_tracker(SPEC), run_dir / BEST)  # a training finds better ones
    assert loaded.files is not None
    assert loaded.files.checkpoint_sha256 == expected


def test_weights_that_are_replaced_while_they_are_read_are_refused(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: Path, **wishes: object) -> object:
        loaded = load_tracker(path)
        save_weights(build_tracker(SPEC), path)
        return loaded

    monkeypatch.setattr(model_module, "load_tracker", load)
    with pytest.raises(ModelError, match=r"best.ckpt was replaced while it was read"):
        Model.load(run_dir, device="cpu")


@pytest.mark.parametrize("name", ["config.yaml", "run.json", str(BEST)])
def test_a_missing_file_of_a_run_directory_is_named(run_dir: Path, name: str) -> None:
    (run_dir / name).unlink()
    with pytest.raises(ModelError, match="lacks") as caught:
        ModelFiles.find(run_dir)
    assert name in str(caught.value)
    assert str(run_dir) in str(caught.value)


def test_a_last_checkpoint_is_offered(run_dir: Path) -> None:
    (run_dir / BEST).rename(run_dir / LAST)
    with pytest.raises(ModelError, match=r"last\.ckpt is there"):
        ModelFiles.find(run_dir)


def test_what_is_no_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        ModelFiles.find(tmp_path / "absent")
    with pytest.raises(ModelError, match="is not a run directory"):
        ModelFiles.find(tmp_path)
    with pytest.raises(ModelError, match="in the registry"):
        ModelFiles.find("models:/mouse@champion")


def test_a_broken_run_record_is_named(run_dir: Path) -> None:
    (run_dir / "run.json").write_text("{")
    with pytest.raises(ModelError, match=r"run\.json is not a run record"):
        ModelFiles.find(run_dir)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights.ckpt").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"weights\.ckpt"):
        Model.load(tmp_path / "weights.ckpt", device="cpu")
