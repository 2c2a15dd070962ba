"""The code that a run was made with, checked out beside the one of today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning_pose
from lightning_pose import __version__
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.provenance import code_state
from lightning_pose.mlops.versions.git_files import commit_of, git, top_of, worktree

UNTRACKED = (
    "The code of the run differs from its commit by more than its code.patch: by files that git "
    "did not track, as it seems. They were not kept, so the run is repeated without them."
)


@dataclass(frozen=True, kw_only=True)
class CodeCheckout:
    """Where the code of a run lies.

    Attributes:
        search_path: folder to import from; None = the installed package is the code of the run.
        notes: what could not be restored, one sentence each.
    """

    search_path: Path | None
    notes: tuple[str, ...] = ()


@contextmanager
def checked_out_code(record: RunRecord, patch: Path, folder: Path) -> Iterator[CodeCheckout]:
    """Check the code of a run out into ``folder``; it is gone when the context ends.

    Args:
        record: of the run.
        patch: the changes that were not committed; need not be there if there were none.
        folder: must not exist yet.

    Raises:
        DataError: the code cannot be had; the message says what is missing.
    """
    commit = record.code.get("commit")
    if not commit:
        yield CodeCheckout(search_path=None, notes=_installed(record))
        return
    package = Path(lightning_pose.__file__).resolve().parent
    repository = _repository_with(commit, package)
    with worktree(repository, commit, folder):
        copy = folder / package.relative_to(repository)
        notes = _changed_as_then(record, patch, folder, copy) if record.code.get("dirty") else ()
        yield CodeCheckout(search_path=copy.parent, notes=notes)


def _installed(record: RunRecord) -> tuple[str, ...]:
    version = record.code.get("version", "unknown")
    if version != __version__:
        raise DataError(
            f"The run was made with an installed lightning_pose {version}, and this is "
            f"{__version__}. Install that version to repeat it."
        )
    return (f"No commit was recorded; the code is version {version}, the one that is installed.",)


def _repository_with(commit: str, package: Path) -> Path:
    repository = top_of(package)
    if repository is None or not _is_tracked(package):
        raise DataError(
            f"The run was made from commit {commit[:10]}, but this lightning_pose ({package}) is "
            "installed without its git repository. Repeat it from a clone: pip install -e CLONE."
        )
    if commit_of(repository, commit) is None:
        raise DataError(
            f"The repository {repository} does not have the commit {commit[:10]} that the run was "
            f"made from. Fetch it from where it was pushed: git -C {repository} fetch --all"
        )
    return repository


def _is_tracked(package: Path) -> bool:
    try:
        return bool(git(package, "ls-files", "__init__.py"))
    except DataError:
        return False


def _changed_as_then(record: RunRecord, patch: Path, top: Path, copy: Path) -> tuple[str, ...]:
    """Apply the changes of then; return what is still missing."""
    if patch.is_file():
        try:
            git(top, "apply", "--whitespace=nowarn", str(patch.resolve()))
        except DataError as error:
            raise DataError(
                f"The run was made with uncommitted changes, but {patch} cannot be applied to its "
                f"commit: {error}"
            ) from error
    expected = record.code.get("diff_sha256")
    if code_state(copy).get("diff_sha256") == expected:
        return ()
    git(copy, "add", "--all", ":/")  # perhaps the changes were staged then
    return () if code_state(copy).get("diff_sha256") == expected else (UNTRACKED,)
