"""A run found in MLflow tells what made it, and its model predicts images."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
from mlflow import MlflowClient

from lightning_pose.cli.train import recorded_run
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.data.image_files import decode_image
from lightning_pose.inference.model import Model
from lightning_pose.mlops.provenance import close_record
from lightning_pose.mlops.tracking import writer
from tests.cli.conftest import TINY, litpose, tiny_data


def test_a_run_in_the_store_names_data_code_config_and_seeds(run_dir: Path, toy: Path) -> None:
    tracking = RunRecord.read(run_dir / "run.json").tracking
    client = MlflowClient(tracking_uri=tracking["uri"])
    run = client.get_run(tracking["run_id"])
    data = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert data["CollectedData.csv"] == file_sha256(toy / "CollectedData.csv")[:36]
    assert "images" in data
    assert run.data.params["model.backbone"] == "resnet18"
    assert run.data.tags["seeds"] == "data=0 model=0"
    assert run.info.run_name == "heatmap resnet18"
    assert run.data.tags["mlflow.source.name"] == "litpose train"
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    tables = {"config.yaml", "splits.csv", "metrics.json", "predictions.csv", "run.json"}
    assert {*tables, "report.html"} <= files


def test_the_logged_model_predicts_as_the_run_does(run_dir: Path, toy: Path) -> None:
    tracking = RunRecord.read(run_dir / "run.json").tracking
    client = MlflowClient(tracking_uri=tracking["uri"])
    (output,) = client.get_run(tracking["run_id"]).outputs.model_outputs
    location = client.get_logged_model(output.model_id).artifact_location
    loaded = mlflow.pyfunc.load_model(location)
    images = np.stack([decode_image(sorted(toy.rglob("*.png"))[0])] * 2)
    expected = Model.load(run_dir).predict_frames(images)
    found = loaded.predict(images)
    np.testing.assert_allclose(found[..., :2], expected.xy_img, atol=1e-3)
    assert not list(Path(location.removeprefix("file://")).rglob("*.pkl"))


def test_a_store_that_opens_while_the_run_is_closed_is_noted(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine MLflow's tables are made only when the training is over."""
    ready, closing, noted = threading.Event(), threading.Event(), threading.Event()

    def open_late(*args: Any) -> Any:
        opened = writer_open(*args)
        ready.set()
        assert closing.wait(60)
        return opened

    def close_slowly(*args: Any, **more: Any) -> RunRecord:
        assert ready.wait(60)
        closing.set()
        noted.wait(3)  # in vain, if the record is written by one thread at a time
        return close_record(*args, **more)

    def note_identity(recorded: Any, identity: dict[str, str]) -> None:
        write_identity(recorded, identity)
        noted.set()

    writer_open, write_identity = writer.open_run, recorded_run.RecordedRun._note_identity
    monkeypatch.setattr(writer, "open_run", open_late)
    monkeypatch.setattr(recorded_run, "close_record", close_slowly)
    monkeypatch.setattr(recorded_run.RecordedRun, "_note_identity", note_identity)
    monkeypatch.chdir(tmp_path)
    done = litpose("train", "data=toy", tiny_data(toy), *TINY)
    assert done.code == 0, done.err
    record = RunRecord.read(done.run_dir / "run.json")
    assert record.outcome == "finished"
    assert record.tracking["experiment"] == "toy"
