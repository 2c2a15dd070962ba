"""What the user wants predicted: videos, folders, image folders, label files, lists of paths."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import VideoError
from lightning_pose.contracts.files import in_home, real_path
from lightning_pose.video.files import natural_key, split_view, videos_among

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
LABEL_SUFFIXES = frozenset({".csv", ".h5"})
LIST_SUFFIXES = frozenset({".txt", ".list", ""})
_LIST_BYTES_AT_MOST = 4 * 2**20


class Kind(enum.Enum):
    """What an input is."""

    VIDEO = "video"
    IMAGES = "images"
    LABELS = "labels"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One thing to predict.

    Attributes:
        kind: a video, images in order, or the images of a label file.
        path: the video, the image folder or the label file.
        images: of an image folder, in natural order.
    """

    kind: Kind
    path: Path
    images: tuple[Path, ...] = ()


def expand_inputs(paths: Sequence[Path | str]) -> list[Input]:
    """Return the things to predict that ``paths`` stand for, each once, in order.

    A path may be a video, a folder of videos (our own labelled copies are passed over), a folder
    of images, a label csv or h5, or a text file with one path a line (relative ones lie beside
    it; lines that begin with # do not count).

    Raises:
        VideoError: a path does not exist or holds nothing to predict; the message names it.
    """
    found: dict[Path, Input] = {}
    for item in _expand(paths):
        found.setdefault(real_path(item.path), item)
    return list(found.values())


def by_view(
    inputs: Sequence[Input], view_names: Sequence[str]
) -> tuple[list[tuple[Input, ...]], dict[tuple[Input, ...], VideoError]]:
    """Return the inputs grouped into sessions, and those that make none, with the reason.

    A file of a session is named ``<session>_<view>`` (the view may also stand elsewhere in the
    name). A model of one view takes each input by itself.

    Returns:
        The sessions, one input a view, in the order of the views; and the inputs of which one
        names no view, that lack a view, or of which two are the same view.
    """
    if len(view_names) <= 1:
        return [(item,) for item in inputs], {}
    found: dict[tuple[Path, str], dict[str, list[Input]]] = {}
    sessions: list[tuple[Input, ...]] = []
    unusable: dict[tuple[Input, ...], VideoError] = {}
    for item in inputs:
        try:
            session, view = split_view(item.path, view_names)
        except VideoError as error:
            unusable[item,] = error
            continue
        found.setdefault((item.path.parent, session), {}).setdefault(view, []).append(item)
    for (folder, session), members in found.items():
        reason = _no_session(folder, session, members, view_names)
        if reason is None:
            sessions.append(tuple(members[view][0] for view in view_names))
        else:
            unusable[tuple(itertools.chain.from_iterable(members.values()))] = VideoError(reason)
    return sessions, unusable


def _no_session(
    folder: Path, session: str, members: Mapping[str, Sequence[Input]], view_names: Sequence[str]
) -> str | None:
    """Return why files are no session of one file a view; None if they are."""
    for view, items in members.items():
        if len(items) > 1:
            return (
                f"{items[0].path} and {items[1].path} are both the view {view!r} of the session "
                f"{session!r}; name one of them."
            )
    missing = [view for view in view_names if view not in members]
    if not missing:
        return None
    return (
        f"The session {session!r} in {folder} has no file for the view {' and '.join(missing)}. "
        f"Add it under the name {session}_<view>, take the session out of the folder, or name the "
        "files to predict."
    )


def _expand(paths: Iterable[Path | str], *, lists: tuple[Path, ...] = ()) -> Iterator[Input]:
    """Yield what paths stand for; ``lists`` are the text files they were read from."""
    for given in paths:
        if not str(given):
            raise VideoError("An input is an empty text; is a variable of the shell not set?")
        path = Path(given)
        if _is_gone(path) and (lists or path.is_symlink()):  # one of many: fails, with its name
            yield Input(kind=Kind.VIDEO, path=path)
        elif path.is_dir():
            yield from _of_folder(path)
        elif not path.exists():
            raise VideoError(f"There is no file or folder {path}.")
        elif path.suffix.lower() in LIST_SUFFIXES:
            if real_path(path) in lists:
                raise VideoError(f"{path} lists itself.")
            yield from _expand(_listed(path), lists=(*lists, real_path(path)))
        else:
            yield _of_file(path)


def _of_file(path: Path) -> Input:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return Input(kind=Kind.IMAGES, path=path, images=(path,))
    if suffix in LABEL_SUFFIXES:
        return Input(kind=Kind.LABELS, path=path)
    if not path.is_file():
        raise VideoError(f"{path} is neither a file nor a folder.")
    return Input(kind=Kind.VIDEO, path=path)


def _of_folder(folder: Path) -> Iterator[Input]:
    files = sorted((f for f in folder.iterdir() if _is_visible_file(f)), key=natural_key)
    videos = videos_among(files)
    images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES]
    if videos and images:
        raise VideoError(
            f"The folder {folder} holds videos ({videos[0].name}, ...) and images "
            f"({images[0].name}, ...); name the files, or put them in folders of their own."
        )
    if not videos and not images:
        inner = sorted(f.name for f in folder.iterdir() if f.is_dir() and f.name[0] != ".")
        hint = (
            f" Its folders are not searched; name them: {', '.join(inner[:5])}." if inner else ""
        )
        raise VideoError(
            f"The folder {folder} holds no video (.mp4, .avi, .mov, ...) and no image (.png, "
            f".jpg, ...).{hint}"
        )
    if images:
        yield Input(kind=Kind.IMAGES, path=folder, images=tuple(images))
    yield from (Input(kind=Kind.VIDEO, path=video) for video in videos)


def _is_gone(path: Path) -> bool:
    """Tell whether nothing is there that can be looked at."""
    try:
        return not path.exists()
    except OSError:  # in a folder that may not be entered, on a disk that is gone
        return True


def _is_visible_file(path: Path) -> bool:
    """Tell whether a path is a file, or a link to one that is gone: that fails, with its name."""
    is_there = path.is_file() or (path.is_symlink() and not path.exists())
    return is_there and not path.name.startswith(".")


def _listed(path: Path) -> list[Path]:
    """Return the paths in a text file, one a line.

    Raises:
        VideoError: it is not such a list.
    """
    if path.stat().st_size > _LIST_BYTES_AT_MOST:
        way_out = "Make several of it." if path.suffix else "A video needs a suffix such as .mp4."
        raise VideoError(f"{path} is taken for a list of paths, but is too long. {way_out}")
    # A name in another encoding stays what the file system has.
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        raise VideoError(
            f"{path} is taken for a list of paths, one a line, but is no text. Save a list as "
            "text in UTF-8; a video needs a suffix such as .mp4."
        )
    lines = text.split("\n")
    named = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not named:
        raise VideoError(
            f"{path} lists no path; put one video, folder or label file on each line."
        )
    found = [path.parent / in_home(line) for line in named]
    if all(map(_is_gone, found)):
        raise VideoError(
            f"None of the {len(found)} paths in {path} exists; the first is {found[0]}. A path "
            "that does not begin with / begins at the folder of the list."
        )
    return found
