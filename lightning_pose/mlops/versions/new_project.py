"""git and DVC begun in a new project folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.mlops.versions.dvc_program import dvc
from lightning_pose.mlops.versions.git_files import git, top_of


def begin_versions(folder: Path, *, with_git: bool) -> str:
    """Begin git and DVC in a folder; return what could not be begun as a sentence, else nothing.

    A folder that lies in a git repository already gets none of its own: DVC is begun in it as a
    part of that repository.

    Args:
        folder: of the project; it has no .dvc yet.
        with_git: False = DVC alone.

    Raises:
        WriteError: git or DVC refused; the message has its own last words.
    """
    remark = ""
    if with_git and shutil.which("git") is None:
        with_git = False
        remark = (
            "git is not installed, so changes of the project are not recorded; install it and run "
            "`git init` and `dvc init -f` in the project when you want that."
        )
    try:
        if with_git and top_of(folder) is None:
            git(folder, "init", "--quiet")
        how = ["--subdir"] if with_git and not (folder / ".git").exists() else []
        dvc(folder, "init", "--quiet", *(how if with_git else ["--no-scm"]))
        dvc(folder, "config", "core.analytics", "false")
    except DataError as error:
        raise WriteError(
            f"Versions could not be begun in {folder} ({error}). The data is there; mend that, or "
            "name another folder with --no-git."
        ) from error
    return remark
