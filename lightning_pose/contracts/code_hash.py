"""Telling whether code has changed: what was computed by other code is computed again."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import lightning_pose


@functools.cache
def code_hash(rooms: tuple[str, ...]) -> str:
    """Return 12 hexadecimal digits that change with any module of these rooms."""
    package = Path(lightning_pose.__file__).parent
    return _hash_of([path for room in rooms for path in _modules_in(package / room)], package)


def plugin_hash(module: str) -> str:
    """Return the same of the file that a module outside of this package came from.

    Of a module in a package every module of the package counts. Code without a file, as in a
    notebook, has an empty text.
    """
    outermost = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None)
    file = outermost or getattr(sys.modules.get(module), "__file__", None)
    return file_hash(Path(file)) if file else ""


@functools.cache
def file_hash(file: Path) -> str:
    """Return the hash of a module's file, of the whole package if it is its ``__init__.py``."""
    files = _modules_in(file.parent) if file.name == "__init__.py" else [file]
    return _hash_of(files, file.parent)


def _modules_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _hash_of(files: Iterable[Path], folder: Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
