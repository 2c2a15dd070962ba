"""A run directory as an MLflow model: weights, configuration and the code that predicts."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose import __version__
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.run_record import PLUGIN_FOLDER, RUN_FILE, RunRecord
from lightning_pose.inference.calibration import calibration_file
from lightning_pose.mlops.provenance import package_versions

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "tracker"
RUN = "run"
FILES = f"artifacts/{RUN}"
DIGEST_TAG = "checkpoint_sha256"
CALIBRATION_TAG = "calibration_sha256"  # of the map of its confidence; empty = it has none
CHECKPOINT = Path("checkpoints") / "best.ckpt"
KEPT = ("config.yaml", RUN_FILE, "splits.csv", "labels*.csv", "code.patch", "metrics.json")
NEEDED = ("torch", "torchvision", "timm", "lightning", "kornia", "numpy", "pandas", "av")


def log_model(
    client: MlflowClient, experiment_id: str, run_id: str | None, run_dir: Path
) -> str | None:
    """Store the best checkpoint of a run directory as a logged model of its run; return its id.

    A model of the same checkpoint that the run has already is returned instead. None = there is
    no checkpoint.

    Args:
        client: of the store.
        experiment_id: the model's.
        run_id: None = the store does not know the run.
        run_dir: the run directory.
    """
    checkpoint = run_dir / CHECKPOINT
    if not checkpoint.is_file():
        return None
    digest = file_sha256(checkpoint)
    calibration = calibration_file(checkpoint)
    calibrated = file_sha256(calibration) if calibration.is_file() else ""
    own = f"source_run_id = '{run_id}'" if run_id else f"tags.{DIGEST_TAG} = '{digest}'"
    for model in client.search_logged_models([experiment_id], filter_string=own):
        same = is_of(model.tags, digest, calibrated)
        if same and model.status == "READY":
            return model.model_id
        if model.status == "PENDING":  # what an outage or a kill cut short
            client.delete_logged_model(model.model_id)
    from mlflow.entities import LoggedModelOutput

    model = client.create_logged_model(
        experiment_id,
        name=NAME,
        source_run_id=run_id,
        tags={DIGEST_TAG: digest, CALIBRATION_TAG: calibrated},
        model_type="pose tracker",
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        pack_model(run_dir, folder, run_id=run_id or "", model_id=model.model_id)
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    if run_id:
        client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, step=0)])
    return model.model_id


def pack_model(run_dir: Path, folder: Path, *, run_id: str = "", model_id: str = "") -> None:
    """Write a run directory as an MLflow model into ``folder``, without pickle.

    ``mlflow.pyfunc.load_model`` runs a module of ours on the checkpoint, which holds tensors and
    plain values. Input: RGB images (n, height, width, 3), uint8. Output: (n, keypoints, 3) of
    x and y in pixels and the likelihood.
    """
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    record = RunRecord.read(run_dir / RUN_FILE)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3), name="images")]),
        outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, -1, 3))]),
    )
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / RUN
        _stage(run_dir, staged)
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={RUN: str(staged)},
            signature=signature,
            pip_requirements=requirements(),
            mlflow_model=Model(
                run_id=run_id or None, model_id=model_id or None, model_uuid=uuid.uuid4().hex
            ),
            metadata={"litpose_run_id": record.run_id},
        )


def is_of(tags: Mapping[str, str], checkpoint_sha256: str, calibration_sha256: str) -> bool:
    """Return whether a stored model's tags name these weights and this calibration."""
    found = tags.get(DIGEST_TAG, ""), tags.get(CALIBRATION_TAG, "")
    return found == (checkpoint_sha256, calibration_sha256)


def requirements() -> list[str]:
    """Return the packages that prediction hangs on, in the versions of here."""
    found = package_versions()
    return [f"lightning-pose-rebuilt=={__version__}"] + [
        f"{name}=={found[name].partition('+')[0]}" for name in NEEDED if name in found
    ]


def _stage(run_dir: Path, staged: Path) -> None:
    """Copy what predicts into a folder; MLflow takes no links."""
    (staged / CHECKPOINT.parent).mkdir(parents=True)
    for path in (CHECKPOINT, calibration_file(CHECKPOINT)):
        if (run_dir / path).is_file():
            shutil.copyfile(run_dir / path, staged / path)
    for pattern in KEPT:
        for path in run_dir.glob(pattern):
            shutil.copyfile(path, staged / path.name)
    folders = RunRecord.read(run_dir / RUN_FILE).plugin_folders
    for name, folder in folders.items():
        _copy_module(folder / name.partition(".")[0], staged / PLUGIN_FOLDER)


def _copy_module(module: Path, folder: Path) -> None:
    """Copy a module, given without suffix, or a package; an installed one is left to pip."""
    if "site-packages" in module.parts:
        return
    folder.mkdir(exist_ok=True)
    if module.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(module, folder / module.name, ignore=ignored, dirs_exist_ok=True)
    elif module.with_suffix(".py").is_file():
        shutil.copyfile(module.with_suffix(".py"), folder / f"{module.name}.py")
