"""A review as a tree: the data set in the review app, made from tables, models, labels, videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.review.manifest import FILE, REVIEWS, read_manifest
from lightning_pose.mlops.versions.archive import Archive, notes_beside, run_in
from lightning_pose.mlops.versions.result_nodes import kind_of, result_node
from lightning_pose.mlops.versions.run_nodes import model_node, unknown_run
from lightning_pose.mlops.versions.tree import Node, relocated, state_of


def review_named(name: str) -> Path | None:
    """Return the folder of a review that was named; None if it is none.

    A review is named by its folder, by ``review.json`` in it, by one of its pictures, or by
    ``review:NAME`` in the current folder.
    """
    if name.startswith(f"{REVIEWS}:"):
        return Path(REVIEWS) / name.partition(":")[2]
    path = Path(name).absolute()
    places = [path, *path.parents[:3]]
    return next((place for place in places if (place / FILE).is_file()), None)


def review_node(folder: Path, archive: Archive) -> Node:
    """Return a review and what it was made from.

    Raises:
        DataError: the folder is of no review.
    """
    about = read_manifest(folder)
    facts = {"made": about.get("made", ""), "command": about.get("command", "")}
    code = about.get("code", {})
    facts["code"] = str(code.get("commit") or code.get("version", ""))
    links = (*_tables(about, folder, archive), *_inputs(about, folder))
    return Node(
        kind="review",
        name=str(about.get("name", folder.name)),
        path=str(folder),
        facts=facts,
        links=links,
    )


def _tables(about: dict[str, Any], folder: Path, archive: Archive) -> Iterator[Node]:
    """Yield the tables of predictions, each made by the model of its run."""
    for name, sha256 in about.get("tables", {}).items():
        path = relocated(Path(name), beside=folder)
        for noted in notes_beside(path):
            yield result_node(noted, path, archive)
            break
        else:
            yield Node(
                kind=kind_of(path),
                name=path.name,
                path=str(path),
                state=state_of(path, sha256),
                links=(_model(path, about, archive),),
            )


def _model(table: Path, about: dict[str, Any], archive: Archive) -> Node:
    """Return the model that made a table of its run directory."""
    run = run_in(table.parent)
    if run is not None:
        return model_node(run)
    for entry in about.get("runs", []):
        if Path(entry["folder"]) == table.parent:
            known = archive.run(entry["run_id"])
            return unknown_run(entry["run_id"]) if known is None else model_node(known)
    raise DataError(f"{table} is of none of the runs of the review.")


def _inputs(about: dict[str, Any], folder: Path) -> Iterator[Node]:
    """Yield labels and videos."""
    for name, sha256 in about.get("labels", {}).items():
        path = relocated(Path(name), beside=folder)
        yield Node(
            kind="labels",
            name=path.name,
            path=str(path),
            state=state_of(path, sha256),
            facts={"sha256": sha256},
        )
    for name, sha256 in about.get("videos", {}).items():
        path = relocated(Path(name), beside=folder)
        state = state_of(path, sha256, kind="sampled_sha256")
        yield Node(kind="video", name=path.name, path=str(path), state=state)
