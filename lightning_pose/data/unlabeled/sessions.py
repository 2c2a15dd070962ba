"""Finding the unlabelled videos of a project: sessions of one camera or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.data.bboxes import bbox_file_beside, boxes_beside
from lightning_pose.data.wording import listed
from lightning_pose.video.files import VIDEO_SUFFIXES, natural_key, split_view, videos_among
from lightning_pose.video.sequence_pool import SequencePool

_NAMED_AT_MOST = 5


def find_sessions(video_dir: Path | str, view_names: Sequence[str] = ()) -> list[tuple[Path, ...]]:
    """Return the videos of a folder, grouped into sessions of one video a view.

    Folders inside it are not searched; our own labelled copies do not count. With several views,
    a video is named ``<session>_<view>``.

    Args:
        video_dir: the folder, or a single video.
        view_names: of a multi-camera set, in order; at most one name: every video is a session.

    Raises:
        DataError: there is no such folder, no video in it, or a session lacks a view.
    """
    folder = Path(video_dir)
    if not folder.exists():
        raise DataError(
            f"There is no folder {folder} of unlabelled videos (data.video_dir); unsupervised "
            "losses need it. Name it, or leave model.losses_to_use empty."
        )
    files = sorted(folder.iterdir(), key=natural_key) if folder.is_dir() else [folder]
    videos = videos_among(file for file in files if file.is_file())
    if not videos:
        raise DataError(_no_video(folder, files))
    if len(view_names) <= 1:
        return [(video,) for video in videos]
    return _by_session(videos, view_names)


def find_box_files(
    sessions: Sequence[tuple[Path, ...]], *, required_by: Sequence[str] = ()
) -> dict[Path, Path]:
    """Return the bounding boxes beside videos: ``<stem>_bbox.csv`` for ``<stem>.mp4``.

    Args:
        sessions: see :func:`find_sessions`.
        required_by: files that crop labelled images, so that videos must be cropped too; none:
            labelled images are shown whole, and so must videos be.

    Raises:
        DataError: labelled images are cropped and a video is not, or the other way round; the
            message names the file.
    """
    videos = [video for session in sessions for video in session]
    found = {video: path for video in videos if (path := boxes_beside(video))}
    missing = [video for video in videos if video not in found]
    if missing and required_by:
        names = listed([bbox_file_beside(video).name for video in missing])
        csv = listed(required_by)
        raise DataError(
            f"Labelled images are cropped to bounding boxes (data.bbox_file, {csv}), so video "
            f"must be as well; beside {missing[0]} there is no {names}, with the columns x, y, h, "
            "w and one row a frame."
        )
    if found and not required_by:
        video, path = next(iter(found.items()))
        raise DataError(
            f"{path} crops {video.name}, but labelled images are shown whole: the network would "
            "learn from two kinds of pictures. Name the boxes of labelled images in "
            "data.bbox_file, or move the file away."
        )
    return found


def open_videos(videos: Sequence[Path]) -> SequencePool:
    """Return what reads sequences of the videos.

    Raises:
        VideoError: one cannot be read; the message names it.
    """
    try:
        return SequencePool(videos)
    except VideoError as error:
        raise VideoError(f"{error} Mend it, or take it out of data.video_dir.") from error


def _by_session(videos: Sequence[Path], view_names: Sequence[str]) -> list[tuple[Path, ...]]:
    sessions: dict[str, dict[str, Path]] = {}
    for video in videos:
        try:
            session, view = split_view(video, view_names)
        except VideoError as error:
            raise DataError(f"{error} (data.view_names)") from error
        members = sessions.setdefault(session, {})
        if view in members:
            raise DataError(
                f"{members[view]} and {video} are both the view {view!r} of the session "
                f"{session!r}; keep one."
            )
        members[view] = video
    for session, members in sessions.items():
        missing = [view for view in view_names if view not in members]
        if missing:
            present = next(iter(members.values()))
            raise DataError(
                f"The session {session!r} has no video of the view {' and '.join(missing)} "
                f"beside {present}; every session needs a video <session>_<view> for each of "
                f"{', '.join(view_names)}. Add it, or take the session out of data.video_dir."
            )
    return [tuple(members[view] for view in view_names) for members in sessions.values()]


def _no_video(folder: Path, files: Sequence[Path]) -> str:
    if not folder.is_dir():
        return f"{folder} has no suffix of a video ({', '.join(sorted(VIDEO_SUFFIXES)[:8])}, ...)."
    inner = [file.name for file in files if file.is_dir() and not file.name.startswith(".")]
    hint = f" Its folders are not searched: {listed(inner[:_NAMED_AT_MOST])}." if inner else ""
    return (
        f"The folder {folder} (data.video_dir) holds no video (.mp4, .avi, .mov, ...).{hint} "
        "Put videos there, or leave model.losses_to_use empty."
    )
