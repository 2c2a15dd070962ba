"""What a model was trained on, as hashes: label files, their images, unlabelled video."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_pose.contracts.file_hashes import FileHashes
from lightning_pose.contracts.labels import LabelTable


def data_fingerprint(
    tables: Sequence[LabelTable], *, digests: Mapping[Path, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return hashes of the label files and of all their images, for the run record.

    The entry of a label file has the keys path, sha256, rows and keypoints; the entry ``images``
    has root, sha256 and files. The images' hash covers names (relative to the data folder) and
    content, whatever the order of rows. Files that have not changed since they were hashed are not
    read (:class:`~lightning_pose.contracts.file_hashes.FileHashes`).

    Args:
        tables: the labels, one table a view.
        digests: SHA-256 of image files already known, as :class:`ImageCache` keeps them.

    Raises:
        DataError: a file cannot be read.
    """
    names = {table.path(row): table.images[row] for table in tables for row in range(len(table))}
    known = dict(digests or {})
    with FileHashes() as hashes:
        known |= hashes.of_all(path for path in names if path not in known)
        sources = hashes.of_all(table.source for table in tables if table.source is not None)
    labels = {
        table.source.name: {
            "path": str(table.source),
            "sha256": sources[table.source],
            "rows": len(table),
            "keypoints": len(table.keypoint_names),
        }
        for table in tables
        if table.source is not None
    }
    combined = hashlib.sha256()
    for path, name in sorted(names.items(), key=lambda item: item[1]):
        combined.update(f"{name}\0{known[path]}\n".encode())
    root = str(tables[0].root) if tables else ""
    images = {"root": root, "sha256": combined.hexdigest(), "files": len(names)}
    return {**labels, "images": images}


def video_fingerprint(
    videos: Sequence[Path], box_files: Mapping[Path, Path]
) -> dict[str, dict[str, Any]]:
    """Return size and hash of each unlabelled video, for the run record.

    The one entry ``videos`` has root and files, and these, by name, bytes and sha256. Hours of
    video are not read through: of a large file the hash covers its two ends and samples in between
    (:func:`~lightning_pose.contracts.files.sampled_sha256`).

    Args:
        videos: the files.
        box_files: csv of the bounding boxes of a video, which are files like it.

    Raises:
        DataError: a file cannot be read.
    """
    with FileHashes("sampled_sha256") as hashes:
        digests = hashes.of_all([*videos, *box_files.values()])
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in digests.items()
    }
    return {"videos": {"root": str(videos[0].parent) if videos else "", "files": files}}
