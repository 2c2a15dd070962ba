"""Bringing a model of the registry here, to be opened as a run directory."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from lightning_pose.contracts.errors import ModelError, WriteError
from lightning_pose.contracts.files import file_sha256, user_cache
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.registry.packing import CHECKPOINT, FILES
from lightning_pose.mlops.registry.versions import SCHEME, ModelRegistry


def is_registered(model: Path | str) -> bool:
    """Tell whether a model is named by its place in the registry."""
    return str(model).startswith(SCHEME)


def local_model(model: Path | str, *, tracking_uri: str | None = None) -> Path:
    """Return where a model lies on this machine; one of the registry is fetched if need be.

    Fetched models are kept in the user's cache: the store is asked which one is meant, but its
    files come over once.

    Args:
        model: a path, which is returned as it is, or ``models:/NAME@ALIAS``,
            ``models:/NAME/VERSION``, ``models:/m-...``.
        tracking_uri: of the store; None = MLFLOW_TRACKING_URI, else ``./mlflow.db``.

    Raises:
        ModelError: there is no such model, it is none of this program's, or it came over damaged.
        WriteError: the cache cannot be written.
    """
    if not is_registered(model):
        return Path(model)
    registry = ModelRegistry.open(tracking_uri)
    location = registry.locate(str(model))
    key = hashlib.sha256(location.encode()).hexdigest()[:32]
    folder = user_cache() / "models" / key
    if not (folder / CHECKPOINT).is_file():
        _fetch(str(model), location, folder, registry)
    return folder


def _fetch(model: str, location: str, folder: Path, registry: ModelRegistry) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise WriteError(
            f"Models cannot be kept in {folder.parent}: {error.strerror or error}. Set "
            "XDG_CACHE_HOME to a folder you can write to."
        ) from error
    try:
        run_dir = registry.download(model, f"{location}/{FILES}", scratch)
        _check(model, run_dir)
        with contextlib.suppress(OSError):  # another process was first
            run_dir.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(model: str, run_dir: Path) -> None:
    if not (run_dir / CHECKPOINT).is_file():
        raise ModelError(f"{model} holds no pose tracker that `litpose registry register` made.")
    expected = RunRecord.read(run_dir / RUN_FILE).checkpoint.get("sha256")
    if expected and expected != file_sha256(run_dir / CHECKPOINT):
        raise ModelError(f"The weights of {model} are damaged: their hash is not that of its run.")
