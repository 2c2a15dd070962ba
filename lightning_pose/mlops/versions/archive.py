"""Finding what litpose wrote, in folders and in the tracking store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.file_hashes import content_stamp
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.inference.outputs import NOTE_ENDING, Note
from lightning_pose.mlops.registry import ModelRegistry, RegisteredVersion
from lightning_pose.mlops.versions.stored import stored_run

BEST = "checkpoints/best.ckpt"
PASSED_OVER = {"mlruns", "node_modules", "site-packages", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that was found: its record, and its directory if that is here."""

    record: RunRecord
    folder: Path | None = None

    @property
    def checkpoint(self) -> Path | None:
        """Return where its best weights are, or were; None if its directory is not here."""
        recorded = str(self.record.checkpoint.get("path", BEST))
        return (self.folder / recorded).absolute() if self.folder is not None else None


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A note that lies beside results."""

    note: Note
    path: Path

    @property
    def run_id(self) -> str:
        """Return which run made the model; empty if unknown."""
        return str(self.note.made_from.get("run", ""))

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files of the result."""
        return tuple(self.path.parent / name for name in self.note.files)


class Archive:
    """All runs and notes in some folders, looked for once, and a tracking store.

    Args:
        folders: that are searched, with all below them.
        tracking_uri: of the store; None = MLFLOW_TRACKING_URI, else ``./mlflow.db``.
    """

    def __init__(self, folders: Sequence[Path], *, tracking_uri: str | None = None) -> None:
        self.folders = tuple(dict.fromkeys(folder.absolute() for folder in folders))
        self.tracking_uri = tracking_uri

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Return the runs, each once, in the order in which they began."""
        found: dict[str, Run] = {}
        for path in self._files:
            if path.name == RUN_FILE and (run := run_in(path.parent)) is not None:
                known = found.get(run.record.run_id)
                if known is None or not _is_whole(known):
                    found[run.record.run_id] = run
        return tuple(sorted(found.values(), key=lambda run: run.record.started))

    @cached_property
    def notes(self) -> tuple[Noted, ...]:
        """Return the notes."""
        paths = [path for path in self._files if path.name.endswith(NOTE_ENDING)]
        read = [(path, Note.read(path)) for path in paths]
        return tuple(Noted(note=note, path=path) for path, note in read if note is not None)

    def run(self, run_id: str) -> Run | None:
        """Return a run by its id, or by that of the tracking store."""
        for run in self.runs:
            if run_id and run_id in (run.record.run_id, run.record.tracking.get("run_id")):
                return run
        return None

    def note_of_content(self, path: Path) -> tuple[Noted, str] | None:
        """Return the note of a file that was copied or renamed, and its name there."""
        stamp = content_stamp(path)
        for noted in self.notes:
            for name, known in noted.note.hashes.items():
                if known == stamp:
                    return noted, name
        return None

    @cached_property
    def store(self) -> ModelRegistry | None:
        """Return the tracking store; None if there is none."""
        try:
            return ModelRegistry.open(self.tracking_uri)
        except ModelError:
            return None

    def stored_run(self, run_id: str) -> Run | None:
        """Return a run that the tracking store knows by either id, from here if it is here."""
        if self.store is None:
            return None
        found = stored_run(self.store.place, run_id)
        if found is None:
            return None
        record, folder = found
        here = run_in(folder) if folder is not None else None
        if here is not None and here.record.run_id == record.run_id:
            return here
        return self.run(record.run_id) or Run(record=record)

    def versions_of(self, checkpoint_sha256: str) -> list[RegisteredVersion]:
        """Return the registered versions that hold some weights."""
        if self.store is None or not checkpoint_sha256:
            return []
        of_all = (self.store.versions(name) for name in self.store.names())
        return [
            v for of_name in of_all for v in of_name if v.checkpoint_sha256 == checkpoint_sha256
        ]

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        found = (path for folder in self.folders for path in _walk(folder))
        return tuple(dict.fromkeys(found))


def run_in(folder: Path) -> Run | None:
    """Return the run whose directory a folder is; None if it is none."""
    try:
        return Run(record=RunRecord.read(folder / RUN_FILE), folder=folder)
    except (DataError, OSError):
        return None


def run_around(path: Path) -> Run | None:
    """Return the run in whose directory a file lies; None if it lies in none."""
    for folder in path.absolute().parents:
        if (folder / RUN_FILE).is_file():
            return run_in(folder)
    return None


def notes_beside(path: Path) -> Iterator[Noted]:
    """Yield the notes in the folder of a file that list it."""
    if not path.parent.is_dir():
        return
    for file in sorted(path.parent.glob(f"*{NOTE_ENDING}")):
        note = Note.read(file)
        if note is not None and (path.name in note.files or path.name == file.name):
            yield Noted(note=note, path=file.absolute())


def _is_whole(run: Run) -> bool:
    """Tell a run directory from a copy of what predicts."""
    return run.folder is not None and (run.folder / "tb_logs").is_dir()


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if n not in PASSED_OVER and not n.startswith("."))
        for name in sorted(names):
            if name == RUN_FILE or name.endswith(NOTE_ENDING):
                yield Path(place) / name
