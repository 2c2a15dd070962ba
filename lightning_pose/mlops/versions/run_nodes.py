"""A run as a tree: its configuration, code, labels, images, videos and split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError, LitposeError
from lightning_pose.contracts.predictions import SETS
from lightning_pose.contracts.run_record import RUN_FILE
from lightning_pose.data.fingerprint import data_fingerprint
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.mlops.versions.archive import BEST, Run
from lightning_pose.mlops.versions.tree import (
    AS_RECORDED,
    CHANGED,
    MISSING,
    NOT_RECORDED,
    Node,
    relocated,
    state_of,
)

VERSION_FACTS = ("dvc_md5", "dvc_md5s", "dvc_changed")


def run_node(run: Run, *, with_data: bool = True) -> Node:
    """Return a run and what it was made from.

    Args:
        run: the run.
        with_data: with links; else the run alone.
    """
    record, folder = run.record, run.folder
    facts = {
        "run": record.run_id,
        "mlflow_run": record.tracking.get("run_id", ""),
        "started": record.started,
        "outcome": record.outcome,
        "overrides": " ".join(record.overrides),
        "seeds": " ".join(f"{name}={seed}" for name, seed in record.seeds.items()),
        **{f"project_{key}": value for key, value in record.project.items()},
    }
    return Node(
        kind="run",
        name=folder.name if folder is not None else record.run_id[:8],
        path=str(folder or ""),
        state=NOT_RECORDED if folder is not None else MISSING,
        facts=_told(facts),
        links=tuple(_made_from(run)) if with_data else (),
    )


def unknown_run(run_id: str) -> Node:
    """Return the node of a run of which nothing but the id is left."""
    return Node(kind="run", name=run_id[:8], state=MISSING, facts=_told({"run": run_id}))


def model_node(run: Run, *, checkpoint: Path | None = None, sha256: str = "") -> Node:
    """Return the weights of a run, made from the run.

    Args:
        run: that trained them.
        checkpoint: the file; None = the best one of the run.
        sha256: that the weights had when they were used; empty = as the run recorded.
    """
    best = run.record.checkpoint
    place = checkpoint or (run.folder / best.get("path", BEST) if run.folder else None)
    is_best = place is None or place.name == Path(best.get("path", BEST)).name
    known = sha256 or (best.get("sha256", "") if is_best else "")
    facts = {"sha256": known, "md5": best.get("md5", "") if is_best else ""}
    pixels = run.record.metrics.get("val_pixel_error")
    return Node(
        kind="model",
        name=place.name if place is not None else "weights",
        path=str(place or ""),
        state=state_of(place, known) if place is not None else MISSING,
        facts=_told(facts | {"val_pixel_error": pixels if is_best else None}),
        links=(run_node(run),),
    )


def data_nodes(run: Run) -> Iterator[Node]:
    """Yield the labels, images and videos of a run, as they are now against what it used."""
    beside = run.folder / RUN_FILE if run.folder is not None else None
    for name, entry in run.record.data.items():
        files = entry.get("files")
        if isinstance(files, Mapping):
            for file, facts in files.items():
                path = relocated(Path(entry["root"]) / file, beside=beside)
                state = state_of(path, str(facts.get("sha256", "")), kind="sampled_sha256")
                yield Node(kind="video", name=file, path=str(path), state=state, facts=facts)
        elif "path" in entry:
            path = relocated(Path(entry["path"]), beside=beside)
            facts = {key: value for key, value in entry.items() if key != "path"}
            state = state_of(path, str(entry.get("sha256", "")))
            yield Node(kind="labels", name=name, path=str(path), state=state, facts=facts)
        else:
            yield _images(run, entry, beside)


def _made_from(run: Run) -> Iterator[Node]:
    record, folder = run.record, run.folder
    if folder is not None:
        config = folder / "config.yaml"
        state = state_of(config, record.config_sha256)
        yield Node(kind="configuration", name=config.name, path=str(config), state=state)
    code = record.code
    keys = ("version", "commit", "dirty", "diff_sha256")
    yield Node(
        kind="code",
        name=str(code.get("commit", ""))[:10] or f"version {code.get('version', 'unknown')}",
        facts=_told({key: code.get(key) for key in keys}),
    )
    yield from data_nodes(run)
    if folder is not None and (folder / "splits.csv").is_file():
        yield _split(folder / "splits.csv", record.files.get("splits.csv", ""))


def _images(run: Run, entry: Mapping[str, Any], beside: Path | None) -> Node:
    """Return the labelled images; which they are says the run's own copy of the labels."""
    root = relocated(Path(str(entry.get("root", ""))), beside=beside)
    facts = {key: value for key, value in entry.items() if key != "root"}
    copies = sorted(run.folder.glob("labels*.csv")) if run.folder is not None else []
    state = NOT_RECORDED if root.exists() else MISSING
    if copies and root.exists():
        try:
            tables = [read_labels(copy, data_dir=root) for copy in copies]
            now = data_fingerprint(tables)["images"]["sha256"]
            state = AS_RECORDED if now == entry.get("sha256") else CHANGED
        except LitposeError:  # an image is gone
            state = MISSING
    return Node(
        kind="images",
        name=f"{facts.get('files', '')} images",
        path=str(root),
        state=state,
        facts=facts,
    )


def _split(path: Path, recorded: str) -> Node:
    try:
        sets = Split.read(path).sets
        facts = {part: sets.count(part) for part in SETS if part in sets}
    except DataError:
        facts = {}
    return Node(
        kind="split", name=path.name, path=str(path), state=state_of(path, recorded), facts=facts
    )


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in ("", None)}
