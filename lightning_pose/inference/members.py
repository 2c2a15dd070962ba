"""Finding which files are predictions of the same video by several models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.table_files import HEADER_ROWS
from lightning_pose.inference.inputs import LABEL_SUFFIXES, Input, Kind
from lightning_pose.inference.outputs import (
    FOLDER,
    FORMATS,
    NOTE_ENDING,
    Note,
    ResultFiles,
    unique_stems,
)


@dataclass(frozen=True, kw_only=True)
class Members:
    """Predictions of one video.

    Attributes:
        stem: name of the predictions, without suffix.
        source: the video or image folder; if no note tells, a video of that name.
        tables: one file a model.
        lacking: folders that hold no predictions of it.
    """

    stem: str
    source: Input
    tables: tuple[Path, ...]
    lacking: tuple[Path, ...] = ()

    def check(self) -> None:
        """Check that every model predicted the video.

        Raises:
            DataError: one did not, or there is one model only.
        """
        if self.lacking:
            raise DataError(
                f"{self.lacking[0]} holds no predictions of {self.stem}. Predict it with that "
                "model too, or leave the folder out."
            )
        if len(self.tables) < 2:
            only = ", ".join(map(str, self.tables)) or "none"
            raise DataError(
                f"An ensemble needs two predictions of {self.stem}, found {only}. Give one folder "
                "for each model; files that are predictions of one video have the same name."
            )


def find_members(places: Sequence[Path], videos: Sequence[Input] = ()) -> list[Members]:
    """Return the predictions of each video, matched by file name.

    Args:
        places: prediction files, folders of them (one a model) or run directories.
        videos: only these, of which the files are named as ``litpose predict`` names them;
            empty = every video that a place has predictions of.

    Raises:
        DataError: a place does not exist or holds no predictions of a video.
    """
    found = {place: dict(_tables(place)) for place in dict.fromkeys(map(_folder, places))}
    for place, tables in found.items():
        if not tables:
            raise DataError(
                f"{place} holds no predictions of videos. Make some: litpose predict MODEL VIDEO"
            )
    named = dict(zip(unique_stems([item.path for item in videos]), videos, strict=True))
    stems = named or dict.fromkeys(stem for tables in found.values() for stem in tables)
    return [_of_stem(stem, found, named.get(stem)) for stem in stems]


def noted(table: Path) -> Note | None:
    """Return the note beside a table of predictions; None if there is none."""
    return Note.read(ResultFiles(table.parent, table.stem).note)


def _of_stem(stem: str, found: dict[Path, dict[str, Path]], source: Input | None) -> Members:
    tables = tuple(of_place[stem] for of_place in found.values() if stem in of_place)
    lacking = [place for place, of_place in found.items() if stem not in of_place]
    return Members(
        stem=stem,
        source=source or _source(tables[0]),
        tables=tables,
        lacking=tuple(place for place in lacking if place.is_dir()),
    )


def _source(table: Path) -> Input:
    """Return what a table says it was made from."""
    note = noted(table)
    path = Path(note.source) if note and note.source else Path(f"{table.stem}.mp4")
    return Input(kind=Kind.IMAGES if path.is_dir() else Kind.VIDEO, path=path)


def _folder(place: Path) -> Path:
    """Return where the predictions of a place are: of a run directory, in a folder of it."""
    if not place.exists():
        raise DataError(f"There is no file or folder {place}.")
    inner = place / FOLDER
    return inner if inner.is_dir() else place


def _tables(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield stem and file of each prediction of a video.

    Those that notes name; in a folder without notes, every table that looks like one.
    """
    if place.is_file():
        yield place.stem, place
        return
    notes = sorted(place.glob(f"*{NOTE_ENDING}"))
    stems = [file.name.removesuffix(NOTE_ENDING) for file in notes]
    if not notes:
        files = [file for name in FORMATS for file in sorted(place.glob(f"*.{name}"))]
        stems = list(dict.fromkeys(file.stem for file in files if _looks_right(file)))
    for stem in stems:
        files = ResultFiles(place, stem)
        note = Note.read(files.note)
        if note is not None and Path(note.source).suffix.lower() in LABEL_SUFFIXES:
            continue
        table = next((file for file in files.all_predictions() if file.is_file()), None)
        if table is not None:
            yield stem, table


def _looks_right(file: Path) -> bool:
    if file.suffix != ".csv":
        return True
    with file.open("rb") as lines:
        return any(b"likelihood" in lines.readline(2**20) for _ in range(HEADER_ROWS))
