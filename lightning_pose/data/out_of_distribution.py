"""Further label files beside the one trained on: sessions that no training frame comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.wording import listed

SUFFIXES = ("new", "test")


def find_ood_files(label_files: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Return the files ``<stem>_new`` and ``<stem>_test`` beside the label files, by suffix.

    Args:
        label_files: one a view; a suffix counts if every view has its file.

    Raises:
        DataError: some views have the file and others do not.
    """
    found = {}
    for suffix in SUFFIXES:
        files = [path.with_name(f"{path.stem}_{suffix}{path.suffix}") for path in label_files]
        missing = [path for path in files if not path.is_file()]
        if not missing:
            found[suffix] = tuple(files)
        elif len(missing) < len(files):
            there = [path.name for path in files if path not in missing]
            raise DataError(
                f"{listed(there)} is there, but not {listed(path.name for path in missing)}: "
                "every view needs its file."
            )
    return found
