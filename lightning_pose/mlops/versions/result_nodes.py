"""A result of a prediction as a tree: made from predictions, by a model, of a video or labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.registry import METRICS
from lightning_pose.inference.outputs import NOTE_ENDING, Note, ResultFiles
from lightning_pose.mlops.learning_curves import FILE as CURVES
from lightning_pose.mlops.versions.archive import Archive, Noted, Run, run_around
from lightning_pose.mlops.versions.dvc_files import DvcFiles
from lightning_pose.mlops.versions.run_nodes import model_node, unknown_run
from lightning_pose.mlops.versions.tree import (
    AS_RECORDED,
    CHANGED,
    MISSING,
    NOT_RECORDED,
    Node,
    relocated,
    state_of,
)

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
PREDICTIONS, METRIC = "predictions", "metric"
_DRAWN = {"_labeled.mp4": "labelled video", "_snippet.mp4": "labelled snippet"}


def result_node(noted: Noted, path: Path, archive: Archive, *, known_as: str = "") -> Node:
    """Return a file of a prediction and what it was made from.

    Args:
        noted: the note that lists it.
        path: the file.
        archive: where the run is looked for.
        known_as: the name that the note has for it, if it is another.
    """
    name = known_as or path.name
    stem = noted.path.name.removesuffix(NOTE_ENDING)
    kind = kind_of(Path(name), stem)
    if name == noted.path.name:
        kind = "note"
    state = state_of(path, noted.note.hashes.get(name, ""), kind="stamp")
    tables = [p for p in noted.files if kind_of(p, stem) == PREDICTIONS]
    if kind != PREDICTIONS and tables:
        links = tuple(result_node(noted, table, archive) for table in tables[:1])
    else:
        links = (*_makers(noted, archive), *_source(noted))
    return Node(
        kind=kind,
        name=path.name,
        path=str(path),
        state=state,
        facts={"frames": noted.note.num_frames},
        links=links,
    )


def _makers(noted: Noted, archive: Archive) -> Iterator[Node]:
    """Yield the model that predicted, or the predictions that were smoothed together."""
    members = noted.note.made_from.get("member_files", ())
    if not members:
        yield _model_of(noted, archive)
    stamps = noted.note.made_from.get("members", ())
    for member, stamp in itertools.zip_longest(members, stamps[: len(members)], fillvalue=""):
        path = relocated(Path(member), beside=noted.path)
        beside = ResultFiles(path.parent, path.stem).note
        note = Note.read(beside)
        node = Node(kind=PREDICTIONS, name=path.name, path=str(path))
        if note is not None:
            node = result_node(Noted(note=note, path=beside), path, archive)
        yield replace(node, state=state_of(path, stamp, kind="stamp"))


def _model_of(noted: Noted, archive: Archive) -> Node:
    """Return the model that predicted: around the results, where it was, or in its run."""
    sha256, checkpoint = str(noted.note.made_from.get("model", "")), Path(noted.note.model)
    for run in _runs_of(noted, archive):
        same_name = run.folder / "checkpoints" / checkpoint.name if run.folder else None
        place = same_name if same_name is not None and noted.note.model else None
        return model_node(run, checkpoint=place, sha256=sha256)
    state = state_of(checkpoint, sha256) if noted.note.model else MISSING
    links = (unknown_run(noted.run_id),) if noted.run_id else ()
    return Node(
        kind="model",
        name=checkpoint.name or "weights",
        path=noted.note.model,
        state=state,
        facts={"sha256": sha256},
        links=links,
    )


def _runs_of(noted: Noted, archive: Archive) -> Iterator[Run]:
    """Yield the run of a note from each place that has it, the nearest first."""
    ways: tuple[Callable[[], Run | None], ...] = (
        lambda: run_around(noted.path),
        lambda: run_around(Path(noted.note.model)) if noted.note.model else None,
        lambda: archive.run(noted.run_id),
        lambda: archive.stored_run(noted.run_id),
    )
    for way in ways if noted.run_id else ():
        run = way()
        if run is not None and run.record.run_id == noted.run_id:
            yield run


def _source(noted: Noted) -> Iterator[Node]:
    """Yield what was predicted, as it is now against what it was."""
    path = relocated(Path(noted.note.source), beside=noted.path)
    known = noted.note.made_from.get("source") or ()
    kind = "video" if path.suffix.lower() in VIDEOS else "labels" if path.suffix else "images"
    state = NOT_RECORDED if path.exists() else MISSING
    if kind == "video" and path.is_file() and known:
        state = AS_RECORDED if file_hash(path, "sampled_sha256") in known else CHANGED
    version = DvcFiles().entries([path]).get(path, {}) if path.is_file() else {}
    yield Node(kind=kind, name=path.name, path=str(path), state=state, facts=version)


def kind_of(path: Path, stem: str = "") -> str:
    """Return what a file of a result is, by its name and the stem of the predictions if known."""
    for ending, kind in _DRAWN.items():
        if path.name.endswith(ending):
            return kind
    if path.suffix == ".json" or path.name == CURVES:
        return "metrics"
    if stem:
        return PREDICTIONS if path.stem == stem else METRIC
    return (
        METRIC if any(path.stem.endswith(f"_{entry.name}") for entry in METRICS) else PREDICTIONS
    )
