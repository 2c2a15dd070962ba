"""A calibration is fitted, kept with the model, and changes what predict writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.calibration import ConfidenceCalibration, calibration_file
from lightning_pose.mlops.registry import ModelRegistry, local_model
from tests.cli.conftest import NEW_FRAMES, Done, litpose

BEST = Path("checkpoints") / "best.ckpt"


@pytest.fixture(scope="module")
def run(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the shared training that tests may calibrate."""
    assert trained.code == 0, trained.err
    return Path(shutil.copytree(trained.run_dir, tmp_path_factory.mktemp("calibrated") / "run"))


@pytest.fixture(scope="module")
def labels(run: Path, toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return labels of eight frames, of which the model was trained on none but two."""
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    split = Split.read(run / "splits.csv")
    sets = np.array([dict(zip(split.images, split.sets, strict=True))[i] for i in table.images])
    rows = np.concatenate(
        [np.flatnonzero(sets == "train")[:2], np.flatnonzero(sets != "train")[:6]]
    )
    path = tmp_path_factory.mktemp("labels") / "some.csv"
    write_labels(table.rows(rows), path)
    return path


@pytest.fixture(scope="module")
def within_px(run: Path) -> float:
    """Return a distance that half of the keypoints lie within."""
    found = Predictions.read(run / "predictions.csv")
    labels = read_labels(run / "labels.csv", data_dir=run)
    return float(np.nanmedian(np.linalg.norm(found.xy_img - labels.xy_img, axis=-1)))


@pytest.fixture(scope="module")
def calibrated(run: Path, labels: Path, toy: Path, within_px: float) -> Done:
    done = litpose(
        *("calibrate", run, "--csv", labels, "--data-dir", toy),
        *("--within-px", within_px, "--json"),
    )
    assert done.code == 0, done.err
    return done


def test_it_is_fitted_on_frames_not_trained_on_and_measured_on_others(
    calibrated: Done, run: Path
) -> None:
    found = ConfidenceCalibration.read(run / BEST)
    assert found is not None
    assert found.frames == 6
    assert calibrated.json["confidence"] == pytest.approx(list(found.confidence))
    assert calibrated.json["after"]["points"] == calibrated.json["before"]["points"] > 0
    split = Split.read(run / "splits.csv")
    num_test = sum(part in ("test", "unused") for part in split.sets)
    assert calibrated.json["after"]["points"] <= 14 * num_test - 14 * 4


def test_the_likelihood_of_predictions_goes_through_it(
    calibrated: Done, run: Path, toy: Path, tmp_path: Path, within_px: float
) -> None:
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", run, video, "--out", tmp_path / "a")
    raw = litpose("predict", run, video, "--out", tmp_path / "b", "--raw-confidence")
    assert done.code == raw.code == 0, done.err + raw.err
    assert f"within {within_px:.1f} px" in done.sentences
    assert "within" not in raw.sentences
    first, second = (Predictions.read(tmp_path / name / "new1.csv") for name in "ab")
    assert len(first) == NEW_FRAMES
    corners = calibrated.json["confidence"], calibrated.json["probability"]
    np.testing.assert_allclose(first.confidence, np.interp(second.confidence, *corners), atol=1e-4)
    np.testing.assert_array_equal(first.xy_img, second.xy_img)
    notes = [json.loads((tmp_path / n / "new1.litpose.json").read_text()) for n in "ab"]
    assert notes[0]["key"] != notes[1]["key"]
    assert notes[0]["made_from"]["calibration"]["within_px"] == pytest.approx(within_px)
    again = litpose("predict", run, video, "--out", tmp_path / "b")
    assert again.code == 1
    assert "another model, version or setting" in again.sentences


def test_it_goes_with_the_model_into_the_registry(
    calibrated: Done, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/lab/mlflow.db")
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    calibration_file(bare / BEST).unlink()
    registry = ModelRegistry.open(None, create=True)
    versions = [registry.register(folder, "mouse").version for folder in (bare, run, run)]
    assert versions == [1, 2, 2]
    first, second = (
        ConfidenceCalibration.read(local_model(f"models:/mouse/{n}") / BEST) for n in (1, 2)
    )
    assert first is None
    assert second == ConfidenceCalibration.read(run / BEST)
    stored = litpose("calibrate", "models:/mouse/2")
    assert stored.code == 2
    assert "register that again" in stored.sentences


def test_one_of_other_weights_is_refused(
    calibrated: Done, run: Path, toy: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    file = calibration_file(copy / BEST)
    file.write_text(file.read_text().replace('"checkpoint_sha256": "', '"checkpoint_sha256": "0'))
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", copy, video, "--out", tmp_path)
    assert done.code == 1
    assert "was fitted for other weights" in done.sentences
    assert litpose("predict", copy, video, "--out", tmp_path, "--raw-confidence").code == 0
    file.write_text("{}")
    assert "is no calibration" in litpose("predict", copy, video, "--out", tmp_path).sentences


def test_too_few_validation_frames_are_said(run_dir: Path) -> None:
    done = litpose("calibrate", run_dir, "--within-px", "5")
    assert done.code == 1
    assert "50 labelled keypoints or more" in done.sentences
    assert not calibration_file(run_dir / BEST).exists()
    assert litpose("calibrate", run_dir, "--within-px", "0").code == 2
