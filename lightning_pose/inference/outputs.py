"""The files a prediction leaves, and the note beside them that says what made them.

For an input ``<stem>.mp4``: ``<stem>.csv`` (or h5, parquet), ``<stem>_<metric>.csv``,
``<stem>_labeled.mp4``, ``<stem>_snippet.mp4``, and the note ``<stem>.litpose.json``. A result
whose note has the same key is not made again. While it is being made there are
``.<stem>.litpose-rows`` and ``.<stem>.litpose-claim`` as well.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import ConfigError, WriteError
from lightning_pose.contracts.file_hashes import content_stamp
from lightning_pose.contracts.files import real_path, write_text
from lightning_pose.contracts.metric_table import Metric

FOLDER = "video_preds"  # in the run directory, for results of videos
NOTE_ENDING = ".litpose.json"
FORMATS = ("csv", "h5", "parquet")
LISTS = ("problems", "files", "planned")  # of a note
MAPPINGS = ("made_from", "hashes", "made_with")


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Which files are wanted.

    Attributes:
        formats: of the predictions: csv, h5, parquet.
        metrics: each gives a csv, where it can be computed.
        labeled_video: whether to draw the whole video.
        snippet: whether to draw the 30 s in which most happens.
        confidence_threshold: keypoints below it are not drawn; the snippet's window does not hang
            on it.
        colormap: matplotlib colour map of the dots.
        overwrite: make results again, and replace those of other models.
    """

    formats: tuple[str, ...] = ("csv",)
    metrics: tuple[Metric, ...] = ()
    labeled_video: bool = False
    snippet: bool = False
    confidence_threshold: float = 0.9
    colormap: str = "cool"
    overwrite: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            raise ConfigError(
                f"Predictions are written as {', '.join(FORMATS)}, got "
                f"{', '.join(unknown) or 'none of them'}."
            )


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is written beside a result: what made it, and which files belong to it.

    Attributes:
        key: of video, model, code and settings.
        source: what was predicted.
        made_from: what the key was computed from, to be read by people.
        num_frames: rows of the predictions.
        problems: what was wrong with the source.
        files: names of the result's files, in the folder of the note.
        planned: names of those that are to be written; should a kill come between a file and the
            note, it is known to be ours.
        hashes: of the content of each of them when it was written
            (:func:`~lightning_pose.contracts.file_hashes.content_stamp`).
        made_with: what some of them hang on beside the predictions, file by file: a drawing on its
            threshold and colours, a metric on its code.
        model: path of the checkpoint at that time.
    """

    key: str
    source: str
    made_from: dict[str, Any] = field(default_factory=dict)
    num_frames: int = 0
    problems: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict)
    made_with: dict[str, dict[str, Any]] = field(default_factory=dict)
    model: str = ""

    def with_file(self, path: Path, made_with: Mapping[str, Any] | None = None) -> Note:
        """Return the note with a file of the result that was just written."""
        others = self.without([path])
        return dataclasses.replace(
            others,
            files=(*others.files, path.name),
            planned=tuple(name for name in self.planned if name != path.name),
            hashes=others.hashes | {path.name: content_stamp(path)},
            made_with=others.made_with | ({path.name: dict(made_with)} if made_with else {}),
        )

    def without(self, paths: Collection[Path]) -> Note:
        """Return the note without files that are about to be written."""
        names = {path.name for path in paths}
        return dataclasses.replace(
            self,
            files=tuple(name for name in self.files if name not in names),
            hashes={name: stamp for name, stamp in self.hashes.items() if name not in names},
            made_with={name: with_ for name, with_ in self.made_with.items() if name not in names},
        )

    @classmethod
    def read(cls, path: Path) -> Note | None:
        """Return the note at ``path``; None if there is none, or none that can be read."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values.setdefault("planned", [])
            lists = {name: tuple(map(str, _typed(values[name], list))) for name in LISTS}
            mappings = {name: _typed(values.get(name, {}), dict) for name in MAPPINGS}
            return cls(**(values | lists | mappings))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, path: Path) -> Path:
        """Write the note as JSON; return ``path``."""
        return write_text(path, json.dumps(dataclasses.asdict(self), indent=2) + "\n")


class ResultFiles:
    """The files of one result, all named after one stem in one folder.

    Args:
        out: the folder.
        stem: name without suffix.
    """

    def __init__(self, out: Path, stem: str) -> None:
        self.out = out
        self.stem = stem

    def named(self, ending: str, *, hidden: bool = False) -> Path:
        """Return the file ``<stem><ending>``, with a dot before it if it is hidden."""
        return self.out / f"{'.' if hidden else ''}{self.stem}{ending}"

    @property
    def note(self) -> Path:
        """Return the path of the note."""
        return self.named(NOTE_ENDING)

    @property
    def rows(self) -> Path:
        """Return the file that rows are kept in until all are there (:mod:`.row_store`)."""
        return self.named(".litpose-rows", hidden=True)

    @property
    def claim(self) -> Path:
        """Return the file that the process at work on this result holds a lock on."""
        return self.named(".litpose-claim", hidden=True)

    def predictions(self, settings: OutputSettings) -> list[Path]:
        """Return the files of the predictions, one a format."""
        return [self.named(f".{name}") for name in settings.formats]

    def all_predictions(self) -> list[Path]:
        """Return the files that predictions may be in, of every format."""
        return [self.named(f".{name}") for name in FORMATS]

    def metric(self, metric: Metric) -> Path:
        """Return the csv of a metric."""
        return self.named(f"_{metric.name}.csv")

    @property
    def labeled_video(self) -> Path:
        """Return the video with keypoints drawn in."""
        return self.named("_labeled.mp4")

    @property
    def snippet(self) -> Path:
        """Return the labelled video of the part in which most happens."""
        return self.named("_snippet.mp4")

    def check_free(self, key: str, settings: OutputSettings) -> Note | None:
        """Return the note of an earlier result with this key, or None if it is to be made anew.

        Raises:
            WriteError: the predictions of something else are there, and may not be overwritten.
        """
        if settings.overwrite:
            return None
        note = Note.read(self.note)
        if note is not None and note.key == key:
            return note
        of_note = [self.out / name for name in note.files] if note else []
        wanted = (*self.predictions(settings), *of_note)
        taken = [path for path in wanted if path.exists()]
        if not taken:
            return None
        what = "made by something else" if note is None else f"of {note.source} or of another"
        changed = "" if note is None else " model, version or setting"
        raise WriteError(
            f"{taken[0]} is there already, {what}{changed}. Choose another folder (--out), or "
            "--overwrite to replace it."
        )

    def check_ours(
        self, wanted: Iterable[Path], note: Note | None, settings: OutputSettings
    ) -> None:
        """Check that no file that is to be written is there already, unless the note names it.

        Raises:
            WriteError: one is, and may not be overwritten.
        """
        ours = {*note.files, *note.planned} if note else set()
        others = [path for path in wanted if path.name not in ours and path.exists()]
        if others and not settings.overwrite:
            raise WriteError(
                f"{others[0]} is there already, made by something else. Choose another folder "
                "(--out), or --overwrite to replace it."
            )

    def remove_replaced(self, kept: Collection[Path]) -> None:
        """Delete what the note lists, and the note: it belongs to a result about to be replaced.

        Args:
            kept: files that are written anew, and are replaced one by one.

        Raises:
            WriteError: a file cannot be deleted.
        """
        note = Note.read(self.note)
        names = (*note.files, *note.planned, self.note.name) if note else ()
        for path in (self.out / name for name in names):
            if path not in kept:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise WriteError(f"{path} cannot be replaced: {error.strerror}.") from error


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Return a name for the results of each input: its stem, longer where several share one.

    Added are, as far as needed: the suffix, the parent folder, those above it, a number.

    Example:
        >>> unique_stems([Path("a/day1.mp4"), Path("b/day1.mp4"), Path("b/day2.mp4")])
        ['day1_a', 'day1_b', 'day2']
    """
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(path.stem, []).append(path)
    names: dict[Path, str] = {}
    for members in groups.values():
        for tried in _longer_and_longer(members):
            if len(set(tried)) == len(members):
                break
        names |= dict(zip(members, tried, strict=True))
    return _numbered([names[path] for path in paths])


def _longer_and_longer(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yield names for files of one stem, each time longer ones, made of their paths."""
    suffixes = [path.suffix.lstrip(".") for path in paths]
    folders = [real_path(path).parent.parts[1:] for path in paths]
    for depth in range(max(map(len, folders)) + 1):
        above = [parts[len(parts) - depth :] if depth < len(parts) else parts for parts in folders]
        tried = ["_".join((path.stem, *parts)) for path, parts in zip(paths, above, strict=True)]
        yield tried
        yield [f"{name}_{suffix}" for name, suffix in zip(tried, suffixes, strict=True)]


def _numbered(names: list[str]) -> list[str]:
    """Return the names, those that still occur twice with a number."""
    times = Counter(names)
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if times[name] == 1 else f"{name}_{seen[name]}")
    return numbered


def _typed(value: Any, wanted: type) -> Any:
    """Return a value out of a note; raise TypeError if somebody made something else of it."""
    if not isinstance(value, wanted):
        raise TypeError(value)
    return value
