"""What decoding a whole video showed, remembered by the content of the file."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import av

from lightning_pose.contracts.code_hash import code_hash
from lightning_pose.contracts.errors import WriteError
from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.files import user_cache, write_text

Plain = dict[str, Any]


def read(path: Path) -> Plain | None:
    """Return what was written of a file with this content; None if nothing was.

    Of a large file the content is sampled (:func:`~lightning_pose.contracts.files.
    sampled_sha256`), as it is where predictions are looked up.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        found = json.loads(_note(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(path: Path, found: Plain) -> None:
    """Remember plain values of a file; a cache that cannot be written is passed over.

    Raises:
        DataError: the file cannot be read.
    """
    with contextlib.suppress(WriteError):
        write_text(_note(path), json.dumps(found))


def _note(path: Path) -> Path:
    """Return where it is kept: another version of FFmpeg or of our code looks elsewhere."""
    made_of = (file_hash(path, "sampled_sha256"), av.__version__, code_hash(("video",)))
    name = hashlib.sha256(" ".join(made_of).encode()).hexdigest()
    return user_cache() / "preflight" / f"{name}.json"
