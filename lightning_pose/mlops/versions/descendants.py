"""What was made from a thing: from labels, images or videos down to predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.inference.outputs import NOTE_ENDING
from lightning_pose.mlops.versions.archive import Archive, Noted, Run
from lightning_pose.mlops.versions.origin import INPUTS
from lightning_pose.mlops.versions.result_nodes import PREDICTIONS, kind_of, result_node
from lightning_pose.mlops.versions.run_nodes import model_node, run_node
from lightning_pose.mlops.versions.tree import Node, state_of


def descendants_of(origin: Node, archive: Archive) -> Node:
    """Return a thing and below it what was made from it, as far as the archive knows.

    Labels and videos count by content: what was made from another version of the same file is
    not below it, and neither is what was made before it was changed.

    Args:
        origin: as :func:`~lightning_pose.mlops.versions.origin.origin_of` returns it.
        archive: where to look.

    Raises:
        DataError: nothing is ever made from such a thing.
    """
    way = _WAYS.get(origin.kind)
    if way is None:
        raise DataError(
            f"Nothing is made from a file such as {origin.name} ({origin.kind}). Go down from "
            "labels, a video, a run, a model or predictions; --down apart, its origin is told."
        )
    return dataclasses.replace(origin, links=tuple(way(origin, archive)))


def _from_data(origin: Node, archive: Archive) -> Iterator[Node]:
    yield from _runs_with(origin, archive)
    yield from _predicted_from(origin, archive)


def _from_run(origin: Node, archive: Archive) -> Iterator[Node]:
    yield from _of_run(_run_of(origin, archive), archive)


def _from_runs(origin: Node, archive: Archive) -> Iterator[Node]:
    for node in origin.links:
        if node.kind == "run":
            yield descendants_of(node, archive)


def _from_model(origin: Node, archive: Archive) -> Iterator[Node]:
    run = _run_of(origin.links[0], archive) if origin.links else None
    yield from _of_model(run, str(origin.facts.get("sha256", "")), archive)


def _from_registered(origin: Node, archive: Archive) -> Iterator[Node]:
    for model in origin.links:
        yield from _from_model(model, archive)


def _run_of(node: Node, archive: Archive) -> Run | None:
    run_id = str(node.facts.get("run", ""))
    return archive.run(run_id) or archive.stored_run(run_id)


def _runs_with(data: Node, archive: Archive) -> Iterator[Node]:
    """Yield the runs that learnt from data of the same content, each with what came of it."""
    known = {data.facts.get("sha256"), data.facts.get("dvc_md5")} - {None}
    if data.facts.get("dvc_changed"):
        known -= {data.facts.get("dvc_md5")}
    for run in archive.runs:
        if known & set(_hashes(run)):
            node = run_node(run, with_data=False)
            yield dataclasses.replace(node, links=tuple(_of_run(run, archive)))


def _hashes(run: Run) -> Iterator[str]:
    """Yield the hashes of all that a run learnt from, as it was then."""
    for entry in run.record.data.values():
        files = entry.get("files")
        for facts in files.values() if isinstance(files, dict) else (entry,):
            yield str(facts.get("sha256", ""))
            if "dvc_md5" in facts and not facts.get("dvc_changed"):
                yield str(facts["dvc_md5"])


def _predicted_from(data: Node, archive: Archive) -> Iterator[Node]:
    """Yield the predictions of a video with the same content."""
    digest = data.facts.get("sha256")
    for noted in archive.notes:
        if digest and digest in (noted.note.made_from.get("source") or ()):
            yield from _results(noted, archive)


def _of_run(run: Run | None, archive: Archive) -> Iterator[Node]:
    if run is None:
        return
    model = model_node(run)
    sha256 = str(model.facts.get("sha256", ""))
    if sha256:
        yield dataclasses.replace(model, links=tuple(_of_model(run, sha256, archive)))


def _of_model(run: Run | None, sha256: str, archive: Archive) -> Iterator[Node]:
    """Yield the registered versions, tables of the run, and predictions made with some weights."""
    for version in archive.versions_of(sha256):
        aliases = ", ".join(version.aliases)
        yield Node(kind="registered model", name=version.uri, facts={"aliases": aliases})
    if run is not None and run.folder is not None:
        for name, digest in run.record.files.items():
            path = run.folder / name
            if not name.startswith(INPUTS):
                state = state_of(path, digest)
                yield Node(kind=kind_of(path), name=name, path=str(path), state=state)
    for noted in archive.notes:
        if noted.note.made_from.get("model") == sha256:
            yield from _results(noted, archive)


def _results(noted: Noted, archive: Archive) -> Iterator[Node]:
    """Yield the tables of a result, and below the first what was made from it."""
    stem = noted.path.name.removesuffix(NOTE_ENDING)
    nodes = [
        dataclasses.replace(result_node(noted, path, archive), links=()) for path in noted.files
    ]
    tables = [node for node in nodes if kind_of(Path(node.name), stem) == PREDICTIONS]
    others = tuple(node for node in nodes if node not in tables)
    for number, table in enumerate(tables):
        yield dataclasses.replace(table, links=others if number == 0 else ())
    if not tables:
        yield from others


def _of_predictions(origin: Node, archive: Archive) -> Iterator[Node]:
    for noted in archive.notes:
        if Path(origin.path) in noted.files:
            for table in _results(noted, archive):
                yield from table.links


_WAYS: dict[str, Callable[[Node, Archive], Iterator[Node]]] = {
    "labels": _from_data,
    "images": _from_data,
    "video": _from_data,
    "run": _from_run,
    "runs": _from_runs,
    "sweep": _from_runs,
    "model": _from_model,
    "registered model": _from_registered,
    PREDICTIONS: _of_predictions,
}
