"""Further label files beside the one trained on: sessions that no training frame comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_checks import checked_labels
from lightning_pose.data.labels import read_labels
from lightning_pose.data.views import check_views_match
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


def read_ood_tables(
    tables: Sequence[LabelTable], *, view_names: Sequence[str] = ()
) -> tuple[dict[str, tuple[LabelTable, ...]], list[str]]:
    """Return the labels of new sessions that can be scored, by suffix, and warnings about them.

    Args:
        tables: the labels trained on, one a view; those made without a file have none beside it.
        view_names: names of the views.

    Raises:
        DataError: a file is wrong; the message names it.
    """
    found: dict[str, tuple[LabelTable, ...]] = {}
    warnings: list[str] = []
    files = find_ood_files([table.source for table in tables if table.source is not None])
    for suffix, paths in files.items():
        read = [
            read_labels(path, data_dir=table.root, keypoint_names=table.keypoint_names)
            for path, table in zip(paths, tables, strict=True)
        ]
        check_views_match(read, view_names=view_names)
        checked = [checked_labels(table) for table in read]
        found[suffix] = tuple(scored for scored, _ in checked)
        warnings += [warning for _, more in checked for warning in more]
    return found, warnings
