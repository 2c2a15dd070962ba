"""Files of a data project as they were: its commit checked out, and what DVC keeps for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.versions.dvc_files import DVC_FOLDER, LOCK, PIPELINE, outs_of
from lightning_pose.mlops.versions.dvc_program import dvc
from lightning_pose.mlops.versions.git_files import commit_of, top_of, worktree

LOCAL = "config.local"
NOTE = ".dvc"  # suffix of the file in which DVC notes what a file or folder holds


@dataclass(frozen=True, kw_only=True)
class DataCheckout:
    """A commit of a data project in a scratch folder; what git does not hold is brought on demand.

    Attributes:
        top: of the repository that the data lie in today.
        copy: its commit, checked out; brought files lie at their places relative to ``top``.
        commit: which.
    """

    top: Path
    copy: Path
    commit: str

    def place(self, path: Path) -> Path | None:
        """Return where a file or folder of the project belongs; None if it lies elsewhere."""
        resolved = path.resolve()
        if not resolved.is_relative_to(self.top):
            return None
        return self.copy / resolved.relative_to(self.top)

    def link(self, path: Path) -> None:
        """Have a file or folder that is still as it was, without copying it."""
        place = self.place(path)
        if place is None or place.is_symlink() or not path.exists():
            return
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path.resolve())
        elif place.is_dir():  # git holds some of it
            for child in path.iterdir():
                self.link(child)

    def restore(self, path: Path, *, md5: str = "") -> None:
        """Bring a file or folder back from git or DVC.

        Args:
            path: where it lies today, or did.
            md5: what DVC noted for it when it was used; empty = what the commit says.

        Raises:
            DataError: it lies outside of the project, or neither git nor DVC has it.
        """
        place = self.place(path)
        if place is None:
            raise DataError(f"{path} does not lie in the project {self.top}.")
        outs = [
            out
            for out in (*self._noted, *self._made)
            if place.is_relative_to(out) or out.is_relative_to(place)
        ]
        if md5 and not any(place != o and place.is_relative_to(o) for o in self._noted):
            self._pin(place, md5)
            return
        if not outs and not place.exists():
            raise DataError(f"neither git nor DVC holds it at commit {self.commit[:10]}.")
        for out in outs:
            self._check_out(out)

    @cached_property
    def _noted(self) -> list[Path]:
        """Return what DVC holds at this commit by files of its own."""
        return [p.with_suffix("") for p in self.copy.rglob(f"*{NOTE}") if p.is_file()]

    @cached_property
    def _made(self) -> list[Path]:
        """Return what DVC holds at this commit because stages made it."""
        return [out.path for lock in self.copy.rglob(LOCK) for out in outs_of(lock)]

    def _pin(self, place: Path, md5: str) -> None:
        """Bring what DVC knows by its hash, whatever the commit says of its place."""
        pipelines = [p for name in (PIPELINE, LOCK) for p in self.copy.rglob(name) if p.is_file()]
        for path in pipelines:  # DVC lets nothing be noted that a stage makes
            path.rename(path.with_name(f".{path.name}.aside"))
        _note_md5(place, md5)
        try:
            self._check_out(place)
        finally:
            for path in pipelines:
                path.with_name(f".{path.name}.aside").rename(path)
            if any(place.is_relative_to(out) for out in self._made):
                place.with_name(f"{place.name}{NOTE}").unlink()

    def _check_out(self, out: Path) -> None:
        project = next((f for f in out.parents if (f / DVC_FOLDER).is_dir()), None)
        if project is None or not project.is_relative_to(self.copy):
            raise DataError(f"{self.top} is no DVC project at commit {self.commit[:10]}.")
        original = self.top / project.relative_to(self.copy)
        self._use_cache_of(original, project)
        name = str(out.relative_to(project))
        try:
            dvc(project, "checkout", "--force", name)
        except DataError as missing:
            remote = _use_remotes_of(original, project)
            if remote is None:
                raise DataError(
                    f"the cache of {original} does not hold it, and there is no remote to pull it "
                    "from."
                ) from missing
            try:
                dvc(project, "pull", "--force", "--remote", remote, name)
            except DataError as error:
                raise DataError(
                    f"neither the cache of {original} nor its remote holds it ({error})."
                ) from error

    def _use_cache_of(self, original: Path, project: Path) -> None:
        settings = project / DVC_FOLDER / LOCAL
        if settings.exists():
            return
        if not (original / DVC_FOLDER).is_dir():
            raise DataError(f"{original} is no DVC project any more.")
        cache = original / dvc(original, "cache", "dir").strip()
        settings.write_text(
            f"[core]\n    analytics = false\n[cache]\n    dir = {cache.resolve()}\n",
            encoding="utf-8",
        )


@contextmanager
def checked_out_data(root: Path, revision: str, folder: Path) -> Iterator[DataCheckout]:
    """Check the commit of a data project out into ``folder``; gone when the context ends.

    Raises:
        DataError: there is no such project or commit.
    """
    top = top_of(root)
    if top is None:
        raise DataError(f"the project {root} that held the data is no git repository any more.")
    commit = commit_of(top, revision)
    if commit is None:
        raise DataError(f"the project {top} does not have the commit {revision[:10]}; fetch it.")
    with worktree(top, commit, folder):
        yield DataCheckout(top=top, copy=folder, commit=commit)


def _note_md5(place: Path, md5: str) -> None:
    """Write what DVC shall bring to a place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    note = place.with_name(f"{place.name}{NOTE}")
    outs = [{"md5": md5, "hash": "md5", "path": place.name}]
    note.write_text(yaml.safe_dump({"outs": outs}), encoding="utf-8")


def _use_remotes_of(original: Path, project: Path) -> str | None:
    """Name the remotes as the project has them today; return the default one, else the first."""
    found = []
    for line in dvc(original, "remote", "list").splitlines():
        words = re.fullmatch(r"(\S+)\s+(.+?)(\s+\(default\))?\s*", line)
        found += [words.groups()] if words else []
    if not found:
        return None
    settings = project / DVC_FOLDER / LOCAL
    text = settings.read_text(encoding="utf-8")
    for name, url, _ in found if "['remote" not in text else ():
        place = url if "://" in url else str((original / DVC_FOLDER / url).resolve())
        text += f"['remote \"{name}\"']\n    url = {place}\n"
    settings.write_text(text, encoding="utf-8")
    return next((name for name, _, default in found if default), found[0][0])
