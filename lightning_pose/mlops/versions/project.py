"""The project that holds the data of a run: its commit, and the dvc.lock the run began under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.mlops.provenance import git
from lightning_pose.mlops.versions.dvc_files import LOCK, dvc_root


def project_state(*folders: Path) -> dict[str, Any]:
    """Return ``root``, ``commit``, ``dirty`` and ``dvc_lock`` of the project a run belongs to.

    The root is the top of the git repository, or of the DVC project where there is no git.
    ``dirty`` tells whether files that git tracks differ from the commit; ``dvc_lock`` is the MD5
    of the nearest dvc.lock. What there is none of is left out; without git and DVC all is.

    Args:
        folders: the first that lies in a project counts: that of the data, the current one.
    """
    for folder in (folder.absolute() for folder in folders if folder.is_dir()):
        top = git(folder, "rev-parse", "--show-toplevel")
        root = Path(top.strip()) if top else dvc_root(folder)
        if root is not None:
            return {"root": str(root), **_commit(root), **_lock(folder, root)}
    return {}


def _commit(root: Path) -> dict[str, Any]:
    commit = git(root, "rev-parse", "HEAD")
    if commit is None:  # no git, or nothing committed yet
        return {}
    changes = git(root, "status", "--porcelain", "--untracked-files=no") or ""
    return {"commit": commit.strip(), "dirty": bool(changes.strip())}


def _lock(folder: Path, root: Path) -> dict[str, str]:
    for place in (folder.resolve(), *folder.resolve().parents):
        if (place / LOCK).is_file():
            return {"dvc_lock": file_hash(place / LOCK, "md5")}
        if place == root.resolve():
            break
    return {}
