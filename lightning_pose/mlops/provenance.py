"""What made a run: code, packages, machine, data; the facts of ``run.json``."""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning_pose
from lightning_pose import __version__
from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.run_record import RunRecord

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "kornia",
    "numpy",
    "pandas",
    "av",
    "opencv-python-headless",
    "hydra-core",
    "mlflow",
)
GIT_TIMEOUT_S = 20


def open_record(
    *,
    run_dir: Path,
    overrides: Sequence[str] = (),
    data: Mapping[str, Any],
    seeds: Mapping[str, int],
    project: Mapping[str, Any] | None = None,
    resumed: RunRecord | None = None,
) -> RunRecord:
    """Return the record of a run that is about to start.

    Args:
        run_dir: its ``config.yaml`` is hashed.
        overrides: of the configuration, as given.
        data: name -> path, hash and so on.
        seeds: by what they are for.
        project: state of the project that holds the data.
        resumed: the record of the run that is carried on: its identity and start are kept.
    """
    config = run_dir / "config.yaml"
    record = RunRecord(
        run_id=uuid.uuid4().hex,
        command=tuple(sys.argv),
        overrides=tuple(overrides),
        code=code_state(),
        data=dict(data),
        project=dict(project or {}),
        config_sha256=file_sha256(config) if config.is_file() else "",
        seeds=dict(seeds),
        packages=package_versions(),
        device=device_facts(),
        started=now(),
    )
    if resumed is None:
        return record
    return dataclasses.replace(
        record, run_id=resumed.run_id, started=resumed.started, tracking=resumed.tracking
    )


def close_record(
    record: RunRecord,
    *,
    outcome: str,
    metrics: Mapping[str, Any],
    checkpoint: Path | None,
    files: Mapping[str, str] | None = None,
) -> RunRecord:
    """Return the record of a run that has ended: finished, failed or interrupted.

    Args:
        record: as it was opened.
        outcome: how it ended.
        metrics: final numbers.
        checkpoint: the best one, if there is one.
        files: hash of each table the run wrote, by its name in the run directory.
    """
    best: dict[str, Any] = {}
    if checkpoint is not None and checkpoint.is_file():
        relative = Path(checkpoint.parent.name) / checkpoint.name
        best = {
            "path": str(relative),
            "sha256": file_hash(checkpoint),
            "md5": file_hash(checkpoint, "md5"),  # as DVC names it
        }
    return dataclasses.replace(
        record,
        outcome=outcome,
        metrics=dict(metrics),
        checkpoint=best,
        files=dict(files or {}),
        ended=now(),
    )


def code_state(package: Path | None = None) -> dict[str, Any]:
    """Return version, git commit, whether there are changes, and their hash.

    Outside git only the version is known.

    Args:
        package: folder of the package; None = the one that is imported.
    """
    state: dict[str, Any] = {"version": __version__}
    folder = package or Path(lightning_pose.__file__).parent
    commit = git(folder, "rev-parse", "HEAD")
    if commit is None or git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return state
    difference = git(folder, "diff", "HEAD", "--binary") or ""
    unknown = git(folder, "status", "--porcelain") or ""
    dirty = bool(unknown.strip())
    state |= {"commit": commit.strip(), "dirty": dirty}
    if dirty:
        changed = (difference + unknown).encode("utf-8", "replace")
        state["diff_sha256"] = hashlib.sha256(changed).hexdigest()
    return state


def code_difference() -> str:
    """Return the uncommitted changes of the code as a patch; empty outside git, or without any."""
    folder = Path(lightning_pose.__file__).parent
    if git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return ""
    return git(folder, "diff", "HEAD", "--binary") or ""


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results hang on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def device_facts() -> dict[str, Any]:
    """Return processor, cores, system, and the GPU if there is one."""
    import torch  # late: commands that only look at records need not wait for it

    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "host": platform.node(),
    }
    if torch.cuda.is_available():
        facts |= {
            "gpu": torch.cuda.get_device_name(),
            "gpus": torch.cuda.device_count(),
            "cuda": torch.version.cuda,
            "driver": _driver(),
        }
    return facts


def now() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def user_name() -> str:
    """Return the name of the person at the machine; empty if there is none, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return ""


def git(folder: Path, *words: str) -> str | None:
    """Return what a git command prints in a folder; None if it fails, or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            check=False,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _driver() -> str:
    """Return the version of NVIDIA's kernel driver; empty if it does not say."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", text)
    return found[0] if found else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
