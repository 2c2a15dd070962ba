"""The record of a run: what made a model, written before training and closed at its end."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.passwords import without_passwords

RUN_FILE = "run.json"  # of a run directory; holds a RunRecord
SPLIT = "splits.csv"
PLUGINS = "plugins"
PLUGIN_FOLDER = "plugins"  # of a run directory that was packed: copies of the user's modules


def labels_file(view: str | None) -> str:
    """Return the name of the labels a run directory keeps, of one view if there are several."""
    return "labels.csv" if view is None else f"labels_{view}.csv"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Where a run came from and what became of it; ``run.json`` in the run directory.

    Attributes:
        run_id: 32 hexadecimal digits; the tracking store's own id is under ``tracking``.
        parent: run of the sweep that this one is a trial of, in the tracking store, or null.
        command: the command line.
        overrides: configuration overrides as given.
        code: commit, dirty (bool), diff_sha256, plugins (name -> folder); without the first three
            outside git.
        data: name -> {path, sha256, rows...} of labels, images and videos; ``dvc_md5`` of what DVC
            tracks, ``dvc_changed`` if the file was no longer that.
        project: root, commit, dirty (bool) and dvc_lock (MD5 of dvc.lock) of the project that
            holds the data; what there is none of is left out.
        config_sha256: hash of config.yaml.
        seeds: data and model seeds.
        packages: name -> version.
        device: what it ran on.
        started, ended: ISO 8601 times, UTC.
        outcome: running, finished, failed, interrupted, or pruned (ended early by a sweep).
        checkpoint: best checkpoint relative to the run directory, its sha256 and md5.
        files: SHA-256 of each table the run wrote, by its name in the run directory.
        metrics: final numbers.
        tracking: store, experiment and run id in it; empty when the run is not tracked.
    """

    run_id: str
    parent: str | None = None
    command: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    code: dict[str, Any] = field(default_factory=dict[str, Any])
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    project: dict[str, Any] = field(default_factory=dict[str, Any])
    config_sha256: str = ""
    seeds: dict[str, int] = field(default_factory=dict[str, int])
    packages: dict[str, str] = field(default_factory=dict[str, str])
    device: dict[str, Any] = field(default_factory=dict[str, Any])
    started: str = ""
    ended: str | None = None
    outcome: str = "running"
    checkpoint: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, str] = field(default_factory=dict[str, str])
    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    tracking: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def plugin_folders(self) -> dict[str, Path]:
        """Return the folder that each module of the user's own was found in, by its name."""
        found: dict[str, str] = self.code.get(PLUGINS) or {}
        return {name: Path(folder) for name, folder in found.items()}

    def write(self, path: Path) -> Path:
        """Write the record as JSON, the passwords in URLs hidden; return ``path``."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        return write_text(path, without_passwords(text) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Return the record in ``path``.

        Raises:
            DataError: there is none, or it is not readable.
        """
        try:
            values: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
            values["command"] = tuple(values.get("command", ()))
            values["overrides"] = tuple(values.get("overrides", ()))
            _check_types(values)
            return cls(**values)
        except FileNotFoundError as error:
            raise DataError(f"{path} is missing; is {path.parent} a run directory?") from error
        except (ValueError, TypeError) as error:
            raise DataError(f"{path} is not a run record: {error}") from error


def _check_types(values: Mapping[str, Any]) -> None:
    """Raise TypeError if something else stands where a run writes a mapping, or its id."""
    fields = [field.name for field in dataclasses.fields(RunRecord) if "dict[" in str(field.type)]
    wrong = [name for name in fields if not isinstance(values.get(name, {}), dict)]
    if not wrong:
        data: Mapping[str, Any] = values.get("data", {})
        wrong = [f"data.{name}" for name, entry in data.items() if not isinstance(entry, dict)]
    if not isinstance(values.get("run_id"), str):
        wrong.append("run_id")
    if wrong:
        raise TypeError(f"{wrong[0]} is not what a run writes there.")
