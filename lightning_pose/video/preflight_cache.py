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


def place_of(path: Path) -> Path:
    """Return where what is known of a file with this content is kept.

    Of a large file the content is sampled (:func:`~lightning_pose.contracts.files.
    sampled_sha256`), as it is where predictions are looked up. Another version of FFmpeg or of our
    code looks elsewhere.

    Raises:
        DataError: the file cannot be read.
    """
    made_of = (file_hash(path, "sampled_sha256"), av.__version__, code_hash(("video",)))
    name = hashlib.sha256(" ".join(made_of).encode()).hexdigest()
    return user_cache() / "preflight" / f"{name}.json"


def read(place: Path) -> Plain | None:
    """Return the plain values that are kept there; None if there are none."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(place: Path, found: Plain) -> None:
    """Keep plain values; a cache that cannot be written is passed over."""
    with contextlib.suppress(WriteError):
        write_text(place, json.dumps(found))
