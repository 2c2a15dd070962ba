"""The data that a run learnt from: still there, or brought back into a scratch folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.cli.train.carrying_on import changes
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.data.fingerprint import data_fingerprint, video_fingerprint
from lightning_pose.data.labels import read_labels
from lightning_pose.data.out_of_distribution import find_ood_files
from lightning_pose.data.wording import listed
from lightning_pose.mlops.versions.data_checkout import DataCheckout, checked_out_data
from lightning_pose.mlops.versions.git_files import top_of

IMAGES, VIDEOS = "images", "videos"
DIGITS = 10
Place = Callable[[Path], Path]
Wanted = tuple[str, Path, bool, str]  # name, path, has changed, md5 that DVC noted


@dataclass(frozen=True, kw_only=True)
class RestoredData:
    """Where the data of a run lie.

    Attributes:
        copy: in which the files of a project are as they were; None = all are where they were.
        notes: what was brought back, one sentence each.
    """

    copy: DataCheckout | None = None
    notes: tuple[str, ...] = ()

    def place(self, path: Path) -> Path:
        """Return where a file or folder lies now."""
        moved = self.copy.place(path) if self.copy is not None else None
        return moved if moved is not None and moved.exists() else path


@contextmanager
def data_of_run(
    record: RunRecord, run_dir: Path, folder: Path, *, others: tuple[Path, ...]
) -> Iterator[RestoredData]:
    """Have the data that a run learnt from, in ``folder`` if some changed since.

    Args:
        record: of the run.
        run_dir: of the run; it is named where nothing brings its labels back.
        folder: must not exist yet; gone when the context ends.
        others: further files and folders that its configuration names.

    Raises:
        DataError: something changed and cannot be brought back; the message names it.
    """
    changed = _changed(record.data, lambda path: path)
    if not changed:
        yield RestoredData()
        return
    root, revision = _project_of(record)
    if root is None:
        why = "no git or DVC project holds it."
        raise DataError(_lost(record, changed[0], run_dir, why))
    with ExitStack() as stack:
        try:
            copy = stack.enter_context(checked_out_data(root, revision, folder))
        except DataError as error:
            raise DataError(_lost(record, changed[0], run_dir, str(error))) from error
        labels = {name for name, entry in record.data.items() if "rows" in entry}
        of_labels = bool(labels & set(changed))  # the images' hash hangs on the rows too
        named = [name for name in changed if not (of_labels and name == IMAGES)]
        place = f"commit {copy.commit[:DIGITS]} of {copy.top}"
        data = RestoredData(
            copy=copy, notes=(f"{listed(named)} changed since the run; used as of {place}.",)
        )
        _bring(record, changed, data, others, run_dir)
        still = _changed(record.data, data.place)
        if still:
            raise DataError(_lost(record, still[0], run_dir, f"{place} holds another version."))
        yield data


def _changed(data: Mapping[str, Mapping[str, Any]], place: Place) -> list[str]:
    """Return the names of label files, images and videos that are no longer as recorded."""
    found = _found(data, place)
    return [
        change
        for name, entry in data.items()
        if name in found
        for change in changes(name, entry, found[name])
    ]


def _found(data: Mapping[str, Mapping[str, Any]], place: Place) -> dict[str, dict[str, Any]]:
    """Return hashes of what lies where a run found its data; an empty one where it is gone."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in data.items():
        if name == IMAGES:
            found[name] = {"sha256": _images_sha256(data, place)}
        elif isinstance(entry.get("files"), Mapping):
            root = place(Path(entry["root"]))
            there = [root / file for file in entry["files"] if (root / file).is_file()]
            found[name] = {"files": _same_keys(entry, video_fingerprint(there, {}))}
        elif "path" in entry:
            path = place(Path(entry["path"]))
            found[name] = {"sha256": file_sha256(path) if path.is_file() else ""}
    for name, entry in found.items():
        if "sha256" not in entry and "sha256" in data[name]:
            entry["sha256"] = data[name]["sha256"]
    return found


def _same_keys(
    entry: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the facts of files that are recorded too; others, as a DVC hash, prove nothing."""
    facts = found[VIDEOS]["files"]
    return {
        file: dict(entry["files"][file]) | facts[file] for file in entry["files"] if file in facts
    }


def _images_sha256(data: Mapping[str, Mapping[str, Any]], place: Place) -> str:
    """Return the hash of all labelled images; empty if labels or images are gone."""
    try:
        tables = _tables(data, place, root=place(Path(data[IMAGES]["root"])))
        return str(data_fingerprint(tables)[IMAGES]["sha256"])
    except DataError:
        return ""


def _tables(
    data: Mapping[str, Mapping[str, Any]], place: Place, *, root: Path
) -> list[LabelTable]:
    files = [Path(entry["path"]) for entry in data.values() if "rows" in entry]
    return [read_labels(place(file), data_dir=root) for file in files]


def _bring(
    record: RunRecord,
    changed: Sequence[str],
    restored: RestoredData,
    others: tuple[Path, ...],
    run_dir: Path,
) -> None:
    """Fill the copy: what changed comes from git or DVC, the rest is linked to."""
    copy, data = restored.copy, record.data
    assert copy is not None
    labels = {name: Path(entry["path"]) for name, entry in data.items() if "rows" in entry}
    wanted = [(name, path, name in changed, _md5(data[name])) for name, path in labels.items()]
    _bring_all(wanted, copy, record, run_dir)
    if IMAGES in data:
        root = Path(data[IMAGES]["root"])
        tables = _tables(data, restored.place, root=root)
        is_changed = not _are_images(tables, data[IMAGES])
        parts = [(IMAGES, root / part, is_changed, "") for part in _first_folders(tables)]
        _bring_all(parts, copy, record, run_dir)
        _link_new_sessions(list(labels.values()), root, copy)
    _bring_all(_videos(data, changed), copy, record, run_dir)
    recorded = {Path(entry["root"]) for entry in data.values() if "root" in entry}
    for path in others:
        if path not in recorded:
            copy.link(path)


def _bring_all(
    wanted: Iterable[Wanted], copy: DataCheckout, record: RunRecord, run_dir: Path
) -> None:
    for name, path, is_changed, md5 in wanted:
        if not is_changed:
            copy.link(path)
            continue
        try:
            copy.restore(path, md5=md5)
        except DataError as error:
            raise DataError(_lost(record, name, run_dir, str(error), path=path)) from error


def _videos(data: Mapping[str, Mapping[str, Any]], changed: Sequence[str]) -> Iterator[Wanted]:
    names = {change.partition(" (")[0] for change in changed}
    for entry in data.values():
        if isinstance(entry.get("files"), Mapping):
            for file, facts in entry["files"].items():
                yield file, Path(entry["root"]) / file, file in names, _md5(facts)


def _md5(entry: Mapping[str, Any]) -> str:
    """Return what DVC had for a file when the run began; empty if it had another version."""
    return "" if entry.get("dvc_changed") else str(entry.get("dvc_md5", ""))


def _link_new_sessions(labels: Sequence[Path], root: Path, copy: DataCheckout) -> None:
    """Have the labels that are only evaluated, and their images, as they are now."""
    for path in (path for files in find_ood_files(labels).values() for path in files):
        copy.link(path)
        for part in _first_folders([read_labels(path, data_dir=root)]):
            copy.link(root / part)


def _are_images(tables: list[LabelTable], entry: Mapping[str, Any]) -> bool:
    try:
        return data_fingerprint(tables)[IMAGES]["sha256"] == entry["sha256"]
    except DataError:
        return False


def _first_folders(tables: list[LabelTable]) -> list[str]:
    """Return what the image paths of tables begin with."""
    return sorted({Path(image).parts[0] for table in tables for image in table.images})


def _project_of(record: RunRecord) -> tuple[Path | None, str]:
    """Return the project that held the data, and the revision to look in."""
    root, commit = record.project.get("root"), record.project.get("commit")
    if root:
        return Path(root), str(commit or "HEAD")
    labels = [Path(entry["path"]) for entry in record.data.values() if "rows" in entry]
    folder = next((path.parent for path in labels if path.parent.is_dir()), None)
    return (top_of(folder) if folder is not None else None), "HEAD"


def _lost(
    record: RunRecord, name: str, run_dir: Path, why: str, *, path: Path | None = None
) -> str:
    """Return the sentence on data that cannot be had as they were."""
    entry = record.data.get(name, {})
    where = path or entry.get("path") or entry.get("root") or ""
    digest = f", SHA-256 {str(entry['sha256'])[:DIGITS]}..." if entry.get("sha256") else ""
    kept = run_dir / "labels.csv"
    labels = f" The labels as the run read them are in {kept}." if kept.is_file() else ""
    shown = f" ({where}{digest})" if where else ""
    labels = labels if "rows" in entry else ""
    return (
        f"{name}{shown} is no longer what the run learnt from, and {why} Bring the old version "
        f"back, from a backup or with `dvc pull`, and try again.{labels}"
    )
