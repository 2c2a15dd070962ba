"""The copy of the toy data set in the user's cache, made on first use."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import time
from pathlib import Path

from lightning_pose.contracts.errors import WriteError
from lightning_pose.contracts.files import user_cache
from lightning_pose.data.toy.dataset import STEM, make_toy_dataset

TOY_VERSION = 1  # raise it whenever anything drawn or written changes
_ABANDONED_AFTER_S = 3600
_log = logging.getLogger(__name__)


def toy_dataset_dir(
    cache_root: Path | None = None, *, seed: int = 0, separate_cameras: bool = False
) -> Path:
    """Return the folder of the toy data set, made now if it is not there.

    It is drawn under a temporary name and renamed when whole, so that several processes may ask
    at the same time, and one that is killed leaves nothing half-made under the final name.

    Args:
        cache_root: folder of caches; None = ``$XDG_CACHE_HOME`` or ``~/.cache``.
        seed: of the data set.
        separate_cameras: each view as a camera of its own (see :func:`make_toy_dataset`).

    Raises:
        WriteError: the cache cannot be written.
    """
    kind = "toy-cameras" if separate_cameras else "toy"
    root = cache_root / "lightning_pose" if cache_root else user_cache()
    folder = root / f"{kind}-v{TOY_VERSION}-seed{seed}"
    if _is_whole(folder):
        return folder
    _log.info("Drawing the toy data set in %s; this takes about fifteen seconds.", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise WriteError(_why_not(folder, error)) from error
    try:
        make_toy_dataset(temporary, seed=seed, separate_cameras=separate_cameras)
        _rename(temporary, folder)
    except OSError as error:
        raise WriteError(_why_not(folder, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _remove_abandoned(folder: Path) -> None:
    """Delete what processes that were killed an hour or longer ago left half-made."""
    for old in folder.parent.glob(f".{folder.name}.*"):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if time.time() - old.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(old, ignore_errors=True)


def _rename(temporary: Path, folder: Path) -> None:
    """Give the finished folder its name, unless another process was first."""
    try:
        temporary.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _is_whole(folder: Path) -> bool:
    """Tell whether a finished data set lies there: label files are written last."""
    return any(folder.glob(f"{STEM}*.csv"))


def _why_not(folder: Path, error: OSError) -> str:
    return (
        f"The toy data set cannot be kept in {folder}: {error.strerror or error}. "
        "Set XDG_CACHE_HOME to a folder you can write to."
    )
