"""Telling whether code has changed: what was computed by other code is computed again."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import lightning_pose


@functools.cache
def code_hash(rooms: tuple[str, ...]) -> str:
    """Return 12 hexadecimal digits that change with any module of these rooms."""
    digest = hashlib.sha256()
    package = Path(lightning_pose.__file__).parent
    for room in rooms:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
