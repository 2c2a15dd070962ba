"""git and DVC begun in a new project folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.contracts.errors import WriteError

QUIET = {"DVC_NO_ANALYTICS": "1"}


def begin_versions(folder: Path, *, with_git: bool) -> str:
    """Begin git and DVC in a folder; return what could not be begun as a sentence, else nothing.

    A folder that lies in a git repository already gets none of its own: DVC is begun in it as a
    part of that repository.

    Args:
        folder: of the project; it has no .dvc yet.
        with_git: False = DVC alone.

    Raises:
        WriteError: DVC refused; the message has its own last words.
    """
    remark = ""
    if with_git and shutil.which("git") is None:
        with_git = False
        remark = (
            "git is not installed, so changes of the project are not recorded; install it and run "
            "`git init` and `dvc init -f` in the project when you want that."
        )
    if with_git and not _is_in_git(folder):
        _run(folder, ["git", "init", "--quiet"])
    how = ["--subdir"] if with_git and not (folder / ".git").exists() else []
    dvc = [sys.executable, "-m", "dvc"]
    _run(folder, [*dvc, "init", "--quiet", *(how if with_git else ["--no-scm"])])
    _run(folder, [*dvc, "config", "core.analytics", "false"])
    return remark


def _is_in_git(folder: Path) -> bool:
    words = ["git", "-C", str(folder), "rev-parse", "--is-inside-work-tree"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _run(folder: Path, words: Sequence[str]) -> None:
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        name = "git" if words[0] == "git" else "DVC"
        raise WriteError(
            f"{name} could not be begun in {folder}: {said[-1] if said else 'it failed'}. The "
            "data is there; mend that, or name another folder with --no-git."
        )
