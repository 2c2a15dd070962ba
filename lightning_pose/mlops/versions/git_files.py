"""Git as a program: what it answers, and folders in which an old commit is checked out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_pose.contracts.errors import DataError

_OWN_PLACE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")  # set within a hook


def git(folder: Path, *words: str) -> bytes:
    """Return what git prints in a folder.

    Raises:
        DataError: git is not installed, or refuses; the message is its own last word.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _OWN_PLACE}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
    except OSError as error:
        raise DataError("git cannot be started; is it installed?") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(f"git {words[0]} in {folder}: {lines[-1] if lines else 'it failed'}")
    return done.stdout


def top_of(folder: Path) -> Path | None:
    """Return the top folder of the repository that a folder lies in; None outside git."""
    try:
        found = git(folder, "rev-parse", "--show-toplevel")
    except DataError:
        return None
    return Path(os.fsdecode(found.rstrip(b"\n"))).resolve()


def commit_of(repository: Path, revision: str) -> str | None:
    """Return the hash of the commit that a revision names; None if there is no such commit."""
    try:
        found = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except DataError:
        return None
    return found.decode().strip()


@contextmanager
def worktree(repository: Path, commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into a folder of its own; it is gone when the context ends.

    Raises:
        DataError: git does not know the commit or cannot write.
    """
    git(repository, "worktree", "prune")  # of those that a killed process left
    try:
        git(repository, "worktree", "add", "--detach", "--force", str(folder), commit)
        yield folder
    finally:
        remove_worktree(repository, folder)


def remove_worktree(repository: Path, folder: Path) -> None:
    """Take a checked-out folder away, whatever was written into it; nothing if it is gone."""
    if folder.exists():
        git(repository, "worktree", "remove", "--force", "--force", str(folder))
    git(repository, "worktree", "prune")
