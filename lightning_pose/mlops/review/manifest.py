"""What a review was made from, in ``review/<name>/review.json``: readable without the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.files import write_text
from lightning_pose.mlops.provenance import code_state, now
from lightning_pose.mlops.results import RunResults

REVIEWS, FILE = "review", "review.json"


def review_folder(project: Path, name: str) -> Path:
    """Return the folder of a review: its chosen frames and what it was made from."""
    return project / REVIEWS / name


def describe(
    runs: Sequence[RunResults], command: str, videos: Sequence[Path]
) -> dict[str, Any]:
    """Return what a review is made from: runs, their tables and labels, videos, code.

    Args:
        runs: that are compared.
        command: the command line.
        videos: whose frames are shown.
    """
    results = [result for run in runs for result in run.labeled]
    stems = {video.stem for video in videos}
    results += [result for run in runs for result in run.videos if result.stem in stems]
    tables = dict.fromkeys(str(result.path.resolve()) for result in results)
    sources = dict.fromkeys(r.source for r in results if r.labels is not None)
    labels = [source.resolve() for source in sources if source is not None and source.is_file()]
    return {
        "made": now(),
        "command": command,
        "code": code_state(),
        "runs": [
            {
                "name": run.name,
                "run_id": run.record.run_id,
                "folder": str(run.folder.resolve()),
                "checkpoint_sha256": str(run.record.checkpoint.get("sha256", "")),
            }
            for run in runs
        ],
        "tables": {path: file_hash(Path(path)) for path in tables},
        "labels": {str(path): file_hash(path) for path in labels},
        "videos": {str(path.resolve()): file_hash(path, "sampled_sha256") for path in videos},
    }


def write_manifest(folder: Path, about: dict[str, Any]) -> Path:
    """Write what a review was made from; return the file."""
    return write_text(folder / FILE, json.dumps(about, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what a review was made from.

    Raises:
        DataError: the folder is of no review.
    """
    try:
        return dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} is no review. Make one: litpose review build MODEL... --name {folder.name}"
        ) from error
