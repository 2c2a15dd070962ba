"""Telling whether a result is already there: what it was made from, as one short key."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning_pose

_EDGE_BYTES = 2**20
_SAMPLES = 16
_SAMPLE_BYTES = 2**16
_ROOMS = ("contracts", "ops", "video", "data", "models", "inference")  # what predictions hang on


def result_key(parts: Mapping[str, Any]) -> str:
    """Return 64 hexadecimal digits that change when any of ``parts`` does.

    Args:
        parts: plain values (JSON).
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(files: Path | Iterable[Path]) -> str:
    """Return a hash of the content of files, quickly: large ones are sampled.

    Of each file count its size, its first and last MiB and 16 blocks in between; neither its name
    nor its times. A change of a few bytes inside a large video may go unnoticed.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in [files] if isinstance(files, Path) else files:
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "big"))
        with path.open("rb") as file:
            if size <= 2 * _EDGE_BYTES + _SAMPLES * _SAMPLE_BYTES:
                digest.update(file.read())
                continue
            digest.update(file.read(_EDGE_BYTES))
            for sample in range(1, _SAMPLES + 1):
                file.seek(size * sample // (_SAMPLES + 1))
                digest.update(file.read(_SAMPLE_BYTES))
            file.seek(size - _EDGE_BYTES)
            digest.update(file.read(_EDGE_BYTES))
    return digest.hexdigest()


@functools.cache
def code_version() -> str:
    """Return the package's version and a hash of the code that predictions hang on."""
    digest = hashlib.sha256()
    package = Path(lightning_pose.__file__).parent
    for room in _ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{lightning_pose.__version__}+{digest.hexdigest()[:12]}"
