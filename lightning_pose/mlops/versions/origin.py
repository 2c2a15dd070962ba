"""Where a thing came from: what the user named is recognised, and its makers are followed.

Each way of recognising is one function in ``_WAYS``; another kind of thing is another function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from lightning_pose.contracts.errors import DataError, LitposeError
from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.data.labels import read_labels
from lightning_pose.inference.outputs import NOTE_ENDING, Note
from lightning_pose.mlops.registry import SCHEME, is_registered, local_model
from lightning_pose.mlops.versions.archive import (
    Archive,
    Run,
    notes_beside,
    run_around,
    run_in,
)
from lightning_pose.mlops.versions.dvc_files import DvcFiles
from lightning_pose.mlops.versions.result_nodes import VIDEOS, kind_of, result_node
from lightning_pose.mlops.versions.review_nodes import review_named, review_node
from lightning_pose.mlops.versions.run_nodes import data_nodes, model_node, run_node
from lightning_pose.mlops.versions.tree import AS_RECORDED, CHANGED, NOT_RECORDED, Node, state_of

RUN_KINDS = {"config.yaml": "configuration", "splits.csv": "split", "metrics.json": "metrics"}
HEADER_LINES = 4  # of a table with several animals
INPUTS = ("labels", "splits")  # tables in a run directory that its model did not make
ID = re.compile(r"[0-9a-f]{8,64}(\.dir)?")


def origin_of(name: str, archive: Archive) -> Node:
    """Return what the user named, and below it what it was made from.

    Args:
        name: a path, ``models:/NAME@alias``, the id of a run, or the hash of a file.
        archive: where to look for runs.

    Raises:
        DataError: it is nothing that is known.
        ModelError: there is no such model in the registry.
    """
    for way in _WAYS:
        found = way(name, archive)
        if found is not None:
            return found
    where = ", ".join(str(folder) for folder in archive.folders)
    what = (
        f"Nothing is known of {name}: no run and no result of litpose with this content was found"
        if Path(name).exists()
        else f"There is no {name}: no such file, run, registered model (models:/NAME@alias) or "
        "hash was found"
    )
    raise DataError(f"{what} in {where}. Name other folders to search with --in.")


def _registered(name: str, archive: Archive) -> Node | None:
    """Return a model of the registry."""
    if not is_registered(name):
        return None
    fetched = run_in(local_model(name, tracking_uri=archive.tracking_uri))
    if fetched is None:
        return None
    sha256 = str(fetched.record.checkpoint.get("sha256", ""))
    run = (
        archive.run(fetched.record.run_id) or archive.stored_run(fetched.record.run_id) or fetched
    )
    model = re.split("[/@]", name.removeprefix(SCHEME))[0]
    versions = [v for v in archive.versions_of(sha256) if v.name == model]
    facts = {v.uri: ", ".join(v.aliases) or "no alias" for v in versions}
    return Node(kind="registered model", name=name, facts=facts, links=(model_node(run),))


def _run_or_sweep(name: str, archive: Archive) -> Node | None:
    """Return the run or sweep whose folder (or ``run.json``) was named."""
    path = Path(name)
    folder = path.parent if path.name == RUN_FILE else path
    if not folder.is_dir():
        return None
    if (folder / RUN_FILE).is_file():
        return run_node(Run(record=RunRecord.read(folder / RUN_FILE), folder=folder))
    runs = Archive([folder]).runs
    return _sweep(folder, runs) if runs else None


def _sweep(folder: Path, runs: tuple[Run, ...]) -> Node:
    data = {node.facts.get("sha256", node.name): node for run in runs for node in data_nodes(run)}
    links = (*(run_node(run, with_data=False) for run in runs), *data.values())
    kind = "sweep" if (folder / "sweep.json").is_file() else "runs"
    facts = {"runs": len(runs)}
    return Node(kind=kind, name=folder.name, path=str(folder), facts=facts, links=links)


def _checkpoint(name: str, archive: Archive) -> Node | None:
    """Return a checkpoint, of the run around it or of the run that has the same weights."""
    path = Path(name)
    if path.suffix != ".ckpt":
        return None
    around = run_around(path)
    if around is not None and path.absolute() == around.checkpoint:
        return model_node(around, checkpoint=path)
    sha256 = file_hash(path) if path.is_file() else ""
    same = [
        run for run in archive.runs if sha256 and run.record.checkpoint.get("sha256") == sha256
    ]
    if same:
        return model_node(same[0], checkpoint=path, sha256=sha256)
    return model_node(around, checkpoint=path) if around is not None else None


def _noted(name: str, archive: Archive) -> Node | None:
    """Return a result that a note beside it lists; the file itself may be gone."""
    path = Path(name)
    for noted in notes_beside(path):
        return result_node(noted, path.absolute(), archive)
    return None


def _of_run(name: str, archive: Archive) -> Node | None:
    """Return a table that a training left in its run directory."""
    path = Path(name).absolute()
    run = run_in(path.parent)
    if run is None or not (path.name in run.record.files or path.name in RUN_KINDS):
        return None
    known = run.record.files.get(path.name, "")
    if path.name == "config.yaml":
        known = run.record.config_sha256
    kind = RUN_KINDS.get(path.name)
    of_run = kind not in (None, "metrics") or path.name.startswith("labels")
    kind = kind or kind_of(path)
    maker = run_node(run) if of_run else model_node(run)
    return Node(
        kind="labels (copy)" if path.name.startswith("labels") else kind,
        name=path.name,
        path=str(path),
        state=state_of(path, known),
        links=(maker,),
    )


def _review(name: str, archive: Archive) -> Node | None:
    """Return a review (``review:NAME``, or its folder), or the one a picture was chosen for."""
    folder = review_named(name)
    return None if folder is None else review_node(folder, archive)


def _labels_or_video(name: str, archive: Archive) -> Node | None:
    """Return labels or a video that people made: they are where a lineage begins."""
    path = Path(name).absolute()
    if not path.is_file() or _is_prediction(path):
        return None
    facts: dict[str, object] = {}
    if path.suffix.lower() in VIDEOS:
        kind, hash_kind = "video", "sampled_sha256"
    else:
        try:
            facts = {"rows": len(read_labels(path, data_dir=path.parent))}
        except LitposeError:
            return None
        kind, hash_kind = "labels", "sha256"
    digest = file_hash(path, hash_kind)
    version = DvcFiles().entries([path]).get(path, {})
    return Node(
        kind=kind,
        name=path.name,
        path=str(path),
        state=_as_dvc_has(version),
        facts={"sha256": digest, **facts, **version},
    )


def _is_prediction(path: Path) -> bool:
    """Tell whether a csv has likelihoods, which labels never have."""
    if path.suffix.lower() != ".csv":
        return False
    with path.open("rb") as file:
        return any(b"likelihood" in file.readline(2**20) for _ in range(HEADER_LINES))


def _of_broken_note(name: str, archive: Archive) -> Node | None:
    """Say that the note of a result cannot be read, rather than that the result has no origin.

    Raises:
        DataError: there is such a note.
    """
    path = Path(name)
    for file in path.parent.glob(f"*{NOTE_ENDING}") if path.is_file() else ():
        stem = file.name.removesuffix(NOTE_ENDING)
        if path.name.startswith(stem) and Note.read(file) is None:
            raise DataError(
                f"{file} is not readable, so what made {path.name} is not known. Bring it back as "
                "it was, or predict again."
            )
    return None


def _copied(name: str, archive: Archive) -> Node | None:
    """Return a result that was copied or renamed: its content is known by a note elsewhere."""
    path = Path(name).absolute()
    if not path.is_file():
        return None
    found = archive.note_of_content(path)
    if found is not None:
        noted, file = found
        return result_node(noted, path, archive, known_as=file)
    digest = file_hash(path)
    for run in archive.runs:
        for file, known in run.record.files.items():
            if known == digest and not file.startswith(INPUTS):
                return Node(
                    kind=kind_of(Path(file)),
                    name=path.name,
                    path=str(path),
                    state=AS_RECORDED,
                    links=(model_node(run),),
                )
    return None


def _identified(name: str, archive: Archive) -> Node | None:
    """Return what an id or hash stands for: a run, or data of runs."""
    name = name.lower()
    if not ID.fullmatch(name):
        return None
    run = archive.run(name)
    if run is not None:
        return run_node(run)
    for run in archive.runs:
        for node in data_nodes(run):
            hashes = (node.facts.get("sha256"), node.facts.get("dvc_md5"))
            if any(str(known).startswith(name) for known in hashes if known):
                return node
        best = run.record.checkpoint
        if any(str(best.get(key, "")).startswith(name) for key in ("sha256", "md5")):
            return model_node(run)
    stored = archive.stored_run(name)
    return run_node(stored) if stored is not None else None


def _as_dvc_has(version: dict[str, object]) -> str:
    if not version:
        return NOT_RECORDED
    return CHANGED if "dvc_changed" in version else AS_RECORDED


_WAYS: tuple[Callable[[str, Archive], Node | None], ...] = (
    _registered,
    _run_or_sweep,
    _checkpoint,
    _noted,
    _of_run,
    _review,
    _copied,
    _of_broken_note,
    _labels_or_video,
    _identified,
)
