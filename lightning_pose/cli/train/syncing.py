"""Uploading held-back runs for the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.cli.terminal import note, print_error, say, say_json
from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.tracking import find_spools, upload

DEFAULT = (Path("outputs"), Path("multirun"))


def sync_and_report(folders: Sequence[Path], *, as_json: bool = False) -> int:
    """Upload each run that was held back and tell what became of it; return 1 if one failed.

    Args:
        folders: run directories, or folders of them; none = ``outputs`` and ``multirun``.
        as_json: print the outcome as JSON.

    Raises:
        DataError: a folder does not exist.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}; expected a run directory.")
    done = [upload(spool) for spool in find_spools(folders or DEFAULT)]
    if as_json:
        say_json(
            [
                {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(d).items()}
                | {"missing": [str(path) for path in d.missing]}
                for d in done
            ]
        )
        return int(any(one.failed for one in done))
    for one in done:
        if one.failed:
            print_error(f"{one.run_dir} was not uploaded: {one.failed}.")
        else:
            say(f"{one.run_dir}: uploaded as run {one.mlflow_run}")
        for path in one.missing:
            note(f"{path} is gone and was not uploaded.")
    if not done:
        say("Nothing is held back.")
    return int(any(one.failed for one in done))
