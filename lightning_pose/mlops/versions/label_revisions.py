"""A label file as it was at an earlier revision, from git or from DVC."""

from __future__ import annotations

from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.versions.dvc_program import dvc
from lightning_pose.mlops.versions.git_files import commit_of, git, top_of


def file_of_version(version: str, folder: Path) -> Path:
    """Return the file that a version names: itself, or a copy of FILE@REVISION in ``folder``.

    Args:
        version: a path, or ``FILE@REVISION`` with a revision of the git repository of FILE.
        folder: filled with the copy; a file of today is returned as it is.

    Raises:
        DataError: there is no such file or revision, or neither git nor DVC has it.
    """
    name, mark, revision = version.rpartition("@")
    if Path(version).exists() or not mark:
        return Path(version)
    path = Path.cwd() / name
    where = next((f for f in path.parents if f.is_dir()), Path("/"))
    top = top_of(where)
    if top is None:
        raise DataError(
            f"{version}: {path.parent} lies in no git repository, so it has no {mark}."
        )
    if commit_of(top, revision) is None:
        raise DataError(f"{version}: {top} has no revision {revision!r}.")
    inside = (path.parent.resolve() / path.name).relative_to(top)
    copy = folder / revision.replace("/", "_") / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        copy.write_bytes(git(top, "show", f"{revision}:{inside.as_posix()}"))
    except DataError:
        _get_from_dvc(version, top, inside, revision, copy)
    return copy


def _get_from_dvc(version: str, top: Path, inside: Path, revision: str, copy: Path) -> None:
    try:
        words = ["get", str(top), inside.as_posix(), "--rev", revision, "--force"]
        dvc(copy.parent, *words, "--out", str(copy))
    except DataError as error:
        raise DataError(
            f"{version}: git does not hold {inside} at {revision}, and DVC does not bring it "
            f"({error}). Was it versioned then, and is it in the cache or a remote?"
        ) from error
