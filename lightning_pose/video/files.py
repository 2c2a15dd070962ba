"""Which files are videos, and what their names say: the session and the view."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning_pose.contracts.errors import VideoError

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".wmv", ".flv", ".ogv", ".3gp", ".mjpeg", ".mjpg", ".h264", ".264", ".hevc", ".h265", ".y4m",
    ".gif", ".asf", ".vob", ".mxf",
})
# fmt: on
_SEPARATORS = "_-. "
OUR_VIDEOS = ("_labeled", "_snippet")


def natural_key(path: Path) -> tuple[object, ...]:
    """Return a key that sorts names as people do: img2 before img10.

    Example:
        >>> sorted([Path("img10.png"), Path("img2.png")], key=natural_key)[0].name
        'img2.png'
    """
    parts = re.split(r"(\d+)", path.name.lower())
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in parts), path.name


def videos_among(files: Iterable[Path]) -> list[Path]:
    """Return the videos among ``files``, our own labelled copies and hidden files left out."""
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    stems = {video.stem for video in videos}
    return [
        video
        for video in videos
        if not video.name.startswith(".") and not _is_our_copy(video, stems)
    ]


def refuse_one_stem(videos: Iterable[Path]) -> None:
    """Raise VideoError if two videos have one name, by which predictions are found."""
    known: dict[str, Path] = {}
    for video in videos:
        other = known.setdefault(video.stem, video)
        if other.resolve() != video.resolve():
            raise VideoError(
                f"{other} and {video} have one name, and so would the pictures of their frames; "
                "rename one of them, or take them one at a time."
            )


def split_view(path: Path, view_names: Sequence[str]) -> tuple[str, str]:
    """Return the session and the view that the name of a file ``<session>_<view>`` says.

    The view may also stand elsewhere in the name. Words of the name count; only where none is a
    view may it be a part of a word. Of views that hold one another (``top`` and ``top_left``) the
    longer one is meant.

    Raises:
        VideoError: the name holds none of the views, or several.

    Example:
        >>> split_view(Path("mouse3_top.mp4"), ("side", "top"))
        ('mouse3', 'top')
    """
    stem = path.stem
    for ends in (r"(?:^|[_\-. ]){}(?:$|[_\-. ])", "{}"):
        places = {view: re.search(ends.format(re.escape(view)), stem) for view in view_names}
        found = {view: place for view, place in places.items() if place}
        if found:
            break
    views = [view for view in found if not any(view in other for other in found if other != view)]
    if len(views) != 1:
        raise VideoError(
            f"{path} should name one of the views {', '.join(view_names)}, as in "
            f"{path.stem}_{view_names[0]}{path.suffix}."
        )
    start, end = found[views[0]].span()
    parts = (stem[:start].strip(_SEPARATORS), stem[end:].strip(_SEPARATORS))
    return "_".join(part for part in parts if part), views[0]


def _is_our_copy(video: Path, stems: set[str]) -> bool:
    return any(
        video.stem.endswith(ending) and video.stem.removesuffix(ending) in stems
        for ending in OUR_VIDEOS
    )
