"""A run found in MLflow tells what made it, and its model predicts images."""

from __future__ import annotations

from pathlib import Path

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient

from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.data.image_files import decode_image
from lightning_pose.inference.model import Model


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
    assert {"config.yaml", "splits.csv", "metrics.json", "predictions.csv", "run.json"} <= files
    figures = {file.path for file in client.list_artifacts(run.info.run_id, "figures")}
    assert figures == {
        f"figures/{name}.png"
        for name in ("learning_curves", "error_by_keypoint", "error_by_confidence", "worst_frames")
    }


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
