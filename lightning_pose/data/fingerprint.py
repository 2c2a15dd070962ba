"""What a model was trained on, as hashes: the label files and, together, their images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.labels import LabelTable


def data_fingerprint(
    tables: Sequence[LabelTable], *, digests: Mapping[Path, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return hashes of the label files and of all their images, for the run record.

    The entry of a label file has the keys path, sha256, rows and keypoints; the entry ``images``
    has root, sha256 and files. The images' hash covers names (relative to the data folder) and
    content, whatever the order of rows.

    Args:
        tables: the labels, one table a view.
        digests: SHA-256 of image files already known, as :class:`ImageCache` keeps them.

    Raises:
        DataError: a file cannot be read.
    """
    labels = {
        table.source.name: {
            "path": str(table.source),
            "sha256": file_sha256(table.source),
            "rows": len(table),
            "keypoints": len(table.keypoint_names),
        }
        for table in tables
        if table.source is not None
    }
    names = {table.path(row): table.images[row] for table in tables for row in range(len(table))}
    known = dict(digests or {})
    unknown = [path for path in names if path not in known]
    with ThreadPoolExecutor() as pool:
        known.update(zip(unknown, pool.map(file_sha256, unknown), strict=True))
    combined = hashlib.sha256()
    for path, name in sorted(names.items(), key=lambda item: item[1]):
        combined.update(f"{name}\0{known[path]}\n".encode())
    root = str(tables[0].root) if tables else ""
    images = {"root": root, "sha256": combined.hexdigest(), "files": len(names)}
    return {**labels, "images": images}
