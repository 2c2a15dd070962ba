"""Which MD5 DVC has for a file or folder, and whether it still is what DVC has.

DVC's own files say so (``X.dvc``, ``dvc.lock``, lists of tracked folders in its cache): they are
YAML and JSON and are read here without DVC, whose import takes seconds.
"""

from __future__ import annotations

import configparser
import functools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_pose.contracts.file_hashes import FileHashes

LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"
DVC_FOLDER = ".dvc"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML was built so
FOLDER_ENDING = ".dir"  # of the MD5 of a folder: that of the list of its files


@dataclass(frozen=True, kw_only=True)
class TrackedOut:
    """A file or folder that DVC tracks.

    Attributes:
        path: where it belongs.
        md5: of its content; of a folder that of the list of its files, with the ending .dir.
        noted_in: the .dvc file or dvc.lock that says so.
    """

    path: Path
    md5: str
    noted_in: Path

    @property
    def is_folder(self) -> bool:
        """Tell whether a whole folder is tracked."""
        return self.md5.endswith(FOLDER_ENDING)


class DvcFiles:
    """What DVC has for files here; each of its own files is read once."""

    def __init__(self) -> None:
        self._noted: dict[Path, list[TrackedOut]] = {}
        self._lists: dict[str, dict[str, str]] = {}
        self._inside: dict[Path, str] = {}
        self._around: dict[Path, tuple[dict[str, TrackedOut], TrackedOut | None]] = {}

    def tracking(self, path: Path) -> TrackedOut | None:
        """Return what tracks a file or folder: itself, or a folder above it; None if nothing."""
        folder = path.parent
        if folder not in self._around:
            self._around[folder] = self._look_around(folder.resolve())
        outs, holder = self._around[folder]
        return outs.get(path.name, holder)

    def md5(self, path: Path) -> str | None:
        """Return the MD5 that DVC has for a file or tracked folder; None if it has none.

        A file of a tracked folder is looked up in the folder's list in DVC's cache, and is not
        known where that is missing.
        """
        out = self.tracking(path)
        if out is None:
            return None
        if path.name == out.path.name and _placed(path) == out.path:
            return out.md5
        if path.parent not in self._inside:
            self._inside[path.parent] = _relative(_placed(path).parent, out.path)
        inside = self._inside[path.parent]
        return self._listed(out).get(path.name if inside == "." else f"{inside}/{path.name}")

    def entries(self, paths: Iterable[Path]) -> dict[Path, dict[str, Any]]:
        """Return for each file that DVC has ``dvc_md5``, and ``dvc_changed`` if it changed since.

        Files are hashed once, however large, unless they are links into DVC's cache
        (:class:`~lightning_pose.contracts.file_hashes.FileHashes`).
        """
        known = {path: md5 for path in paths if (md5 := self.md5(path)) is not None}
        same = self._same(known)
        return {
            path: {"dvc_md5": md5} | ({} if same[path] else {"dvc_changed": True})
            for path, md5 in known.items()
        }

    def folder_entry(self, files: Iterable[Path]) -> dict[str, Any]:
        """Return the entry of files that belong together, such as images.

        ``dvc_md5`` is that of the one tracked folder that holds them all. Where several tracked
        things hold them, ``dvc_md5s`` has the MD5 of each by its path. ``dvc_changed`` says that
        a file is not, or not as it is, in what DVC has; nothing is said of files unknown to DVC.
        """
        files = list(files)
        holders = {path: self.tracking(path) for path in files}
        found = {out.path: out for out in holders.values() if out is not None}
        if not found or None in holders.values():
            return {}
        if not all(self._listed(out) for out in found.values() if out.is_folder):
            return {}  # what was in the folder is not known here
        known = {path: self.md5(path) or "" for path in files}
        changed = not all(self._same(known).values())
        md5s = {str(path): out.md5 for path, out in sorted(found.items())}
        entry: dict[str, Any] = (
            {"dvc_md5": next(iter(md5s.values()))} if len(md5s) == 1 else {"dvc_md5s": md5s}
        )
        return entry | ({"dvc_changed": True} if changed else {})

    def _same(self, known: Mapping[Path, str]) -> dict[Path, bool]:
        """Tell of each file whether it has the MD5."""
        same: dict[Path, bool] = {}
        with FileHashes("md5") as hashes:
            digests = {path: hashes.known(path) for path in known if path.is_file()}
            unread = [path for path, digest in digests.items() if digest is None]
            same = {path: True for path in unread if self._is_link_to(path, known[path])}
            digests |= hashes.of_all(path for path in unread if path not in same)
        for path, md5 in known.items():
            if path not in digests:
                same[path] = path.is_dir() and self._folder_is(path, md5)
        return {path: same.get(path, digests.get(path) == md5) for path, md5 in known.items()}

    def _folder_is(self, folder: Path, md5: str) -> bool:
        out = self.tracking(folder)
        listed = self._listed(out) if out is not None and out.md5 == md5 else {}
        there = {_relative(path, folder) for path in folder.rglob("*") if path.is_file()}
        if set(listed) != there:
            return False
        return all(
            self._same({folder / name: of_file for name, of_file in listed.items()}).values()
        )

    def _is_link_to(self, path: Path, md5: str) -> bool:
        if not path.is_symlink() and path.stat().st_nlink == 1:
            return False
        return any(place.samefile(path) for place in _existing(_cached(path, md5)))

    def _listed(self, out: TrackedOut) -> dict[str, str]:
        """Return the MD5 of each file of a tracked folder by its place in it."""
        if out.is_folder and out.md5 not in self._lists:
            self._lists[out.md5] = next(map(_read_list, _existing(_cached(out.path, out.md5))), {})
        return self._lists.get(out.md5, {})

    def _look_around(self, folder: Path) -> tuple[dict[str, TrackedOut], TrackedOut | None]:
        """Return what is tracked in a folder, by name, and what tracks the folder."""
        root = dvc_root(folder)
        places = [folder]
        while root is not None and places[-1] != root:
            places.append(places[-1].parent)
        outs = {out.path: out for place in places for out in self._outs(place)}
        holder = next((outs[place] for place in places if place in outs), None)
        return {path.name: out for path, out in outs.items() if path.parent == folder}, holder

    def _outs(self, folder: Path) -> list[TrackedOut]:
        if folder not in self._noted:
            self._noted[folder] = [out for file in _notes_in(folder) for out in outs_of(file)]
        return self._noted[folder]


def with_dvc(
    data: Mapping[str, Mapping[str, Any]], *, images: Iterable[Path] = ()
) -> dict[str, dict[str, Any]]:
    """Return the data of a run's record with what DVC has for labels, images and each video.

    Args:
        data: name -> path or root, and hashes.
        images: the files of the entry ``images``.
    """
    dvc = DvcFiles()
    found: dict[str, dict[str, Any]] = {}
    for name, entry in data.items():
        files = entry.get("files")
        if isinstance(files, Mapping):
            versions = dvc.entries(Path(entry["root"]) / file for file in files)
            own = {
                file: {**facts, **versions.get(Path(entry["root"]) / file, {})}
                for file, facts in files.items()
            }
            found[name] = {**entry, "files": own}
        elif "path" in entry:
            path = Path(entry["path"])
            found[name] = {**entry, **dvc.entries([path]).get(path, {})}
        else:
            found[name] = {**entry, **dvc.folder_entry(images)}
    return found


def dvc_root(folder: Path) -> Path | None:
    """Return the top folder of the DVC project that a folder lies in; None if it is in none."""
    places = (folder, *folder.parents)
    return next((place for place in places if (place / DVC_FOLDER).is_dir()), None)


def _placed(path: Path) -> Path:
    """Return where a file lies; DVC may have made it a link, which is not followed."""
    return path.absolute().parent.resolve() / path.name


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _notes_in(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*.dvc") if path.is_file())
    if (folder / LOCK).is_file():
        yield folder / LOCK


def outs_of(file: Path) -> Iterator[TrackedOut]:
    """Yield what one of DVC's files tracks; nothing if it cannot be read as such."""
    notes = _yaml(file)
    stages = notes.get("stages") if file.name == LOCK else {"": notes}
    if not isinstance(stages, Mapping):
        return
    asked = _yaml(file.with_name(PIPELINE)).get("stages") if file.name == LOCK else None
    for name, stage in stages.items():
        if not isinstance(stage, Mapping):
            continue
        written = asked.get(str(name).partition("@")[0]) if isinstance(asked, Mapping) else stage
        folder = file.parent / _wdir(written)
        for out in stage.get("outs") or ():
            md5 = out.get("md5") if isinstance(out, Mapping) else None
            if md5 and "path" in out:
                path = Path(os.path.normpath(folder / str(out["path"])))
                yield TrackedOut(path=path, md5=str(md5), noted_in=file)


def _wdir(stage: Any) -> str:
    """Return the folder that a stage works in; one of a matrix or foreach says it below ``do``."""
    own = stage.get("do", stage) if isinstance(stage, Mapping) else {}
    return str(own.get("wdir") or "") if isinstance(own, Mapping) else ""


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _cached(path: Path, md5: str) -> list[Path]:
    """Return where DVC's cache may hold an object: as version 3 lays it out, and as 2 did."""
    root = dvc_root(path.parent)
    if root is None:
        return []
    cache = _cache_folder(root)
    return [cache / "files" / "md5" / md5[:2] / md5[2:], cache / md5[:2] / md5[2:]]


@functools.cache
def _cache_folder(root: Path) -> Path:
    """Return where a project keeps its objects; settings outside of the project are not read."""
    folder = root / DVC_FOLDER
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    except (configparser.Error, ValueError):
        return folder / "cache"
    return folder / config.get("cache", "dir", fallback="cache")


def _existing(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.is_file())


def _read_list(path: Path) -> dict[str, str]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))
        return {str(file["relpath"]): str(file["md5"]) for file in files}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
