"""Writing the toy data set: a project folder with labels, images, videos and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import NOT_LABELLED, OCCLUDED, read_labels, write_labels
from lightning_pose.data.toy.scene import Scene, Truth
from lightning_pose.data.toy.skeleton import KEYPOINT_NAMES
from lightning_pose.video.writer import VideoWriter

LABELS_FILE = "CollectedData.csv"
NEW_LABELS_FILE = "CollectedData_new.csv"
NEW_SESSION = "new1"
NEW_SESSION_NUMBER = 1000
FPS = Fraction(30)

_SCORER = "toy"
_CONTEXT = 2  # neighbours on each side of a labelled frame
_SPACING = 14  # frames of a session to each labelled one
_DECIMALS = 3
_LABELS_STREAM = 2**31  # no frame has this number


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """How the person who labels the toy set errs.

    Attributes:
        noise_px: standard deviation of a label of a visible point, in x and in y.
        hidden_noise_px: the same for a hidden point, which is a guess.
        hidden_skipped: share of hidden points that are left out.
        missed: share of visible points that are left out.
    """

    noise_px: float = 0.3
    hidden_noise_px: float = 1.0
    hidden_skipped: float = 0.3
    missed: float = 0.01

    def label(self, truth: Truth, rng: np.random.Generator) -> Truth:
        """Return the labels that this person gives; a left-out point is NaN and 0."""
        hidden = truth.visible == OCCLUDED
        spread = np.where(hidden, self.hidden_noise_px, self.noise_px)
        xy_img = truth.xy_img + spread[..., None] * rng.standard_normal(truth.xy_img.shape)
        skipped = rng.uniform(size=hidden.shape) < np.where(
            hidden, self.hidden_skipped, self.missed
        )
        skipped |= truth.visible == NOT_LABELLED
        return Truth(
            xy_img=np.where(skipped[..., None], np.nan, xy_img),
            visible=np.where(skipped, NOT_LABELLED, truth.visible),
        )


def make_toy_dataset(
    out: Path,
    *,
    seed: int = 0,
    num_labeled: int = 90,
    num_sessions: int = 5,
    num_video_frames: int = 300,
    num_new_labeled: int = 15,
    num_new_video_frames: int = 120,
    labeller: Labeller | None = None,
) -> Path:
    """Draw the toy data set and write it as a project folder; return ``out``.

    ``CollectedData.csv`` holds labelled frames of the training sessions walk1, walk2, ...;
    ``labeled-data/`` their images with two neighbours on each side. ``videos/`` has one session
    that nothing is labelled of, and one of another animal in other light, which
    ``CollectedData_new.csv`` and its images belong to as well. Beside each video,
    ``<video>_truth.csv`` has the exact keypoints of every frame (see :func:`read_truth`).

    Args:
        out: a folder that holds no toy data set yet; made where it is missing.
        seed: decides everything drawn; the same seed gives the same labels and pixels.
        num_labeled: labelled frames, shared out among the sessions.
        num_sessions: training sessions.
        num_video_frames: length of the held-out video.
        num_new_labeled: labelled frames of the out-of-distribution session.
        num_new_video_frames: length of its video.
        labeller: who labels; None = with 0.3 px noise and a few points left out.

    Raises:
        DataError: a number is too small, or ``out`` holds labels already.
        WriteError: a file cannot be written.
    """
    videos = (num_video_frames, num_new_video_frames)
    _check_numbers(num_sessions, num_labeled, num_new_labeled, videos)
    _check_free(out)
    person = labeller or Labeller()
    shares = np.array_split(np.arange(num_labeled), num_sessions)
    labelled = [
        _label_session(out, f"walk{number}", Scene(seed=seed, session=number), len(share), person)
        for number, share in enumerate(shares, start=1)
    ]
    held_out = Scene(seed=seed, session=num_sessions + 1)
    _film(out / "videos" / f"walk{num_sessions + 1}.mp4", held_out, num_video_frames)
    new = Scene(seed=seed, session=NEW_SESSION_NUMBER, new=True)
    new_labels = _label_session(out, NEW_SESSION, new, num_new_labeled, person)
    _film(out / "videos" / f"{NEW_SESSION}.mp4", new, num_new_video_frames)
    write_labels(new_labels, out / NEW_LABELS_FILE)
    write_labels(_joined(labelled), out / LABELS_FILE)
    return out


def make_toy_video(path: Path, *, session: int, num_frames: int, seed: int = 0) -> Path:
    """Film a session of the toy data set, with the truth beside the video; return ``path``.

    The first frames of sessions 1 to 5 are those that a toy data set of the same seed has labels
    in; a session of any other number is another walk of such an animal.

    Args:
        path: of the video; its folder is made.
        session: number of the walk.
        num_frames: length.
        seed: of the data set it belongs to.

    Raises:
        WriteError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _film(path, Scene(seed=seed, session=session), num_frames)
    return path


def read_truth(video: Path) -> LabelTable:
    """Return the exact keypoints of a toy video, one row a frame.

    ``visible`` is 0 for a point outside its view (then NaN), 1 for a hidden one, 2 for a visible
    one; ``images`` are the frame numbers.

    Raises:
        DataError: there is no truth beside this video.
    """
    path = truth_path(Path(video))
    return read_labels(path, data_dir=path.parent, keypoint_names=KEYPOINT_NAMES)


def truth_path(video: Path) -> Path:
    """Return where the truth of a toy video lies."""
    return video.with_name(f"{video.stem}_truth.csv")


def _check_numbers(sessions: int, labeled: int, new: int, videos: tuple[int, int]) -> None:
    if min(sessions, new, *videos) < 1 or labeled < sessions:
        raise DataError(
            "A toy data set needs at least one session, one new labelled frame, one frame in each "
            f"video, and a labelled frame a session; got {sessions} sessions, {labeled} labelled "
            f"frames, {new} new ones, videos of {videos[0]} and {videos[1]} frames."
        )


def _check_free(out: Path) -> None:
    if (out / LABELS_FILE).exists():
        raise DataError(
            f"{out / LABELS_FILE} exists already; choose another folder for the toy data set."
        )


def _label_session(
    out: Path, session: str, scene: Scene, num_labeled: int, person: Labeller
) -> LabelTable:
    """Write the images of one session and return its labels."""
    rng = np.random.default_rng([*scene.stream, _LABELS_STREAM])
    earliest = _CONTEXT + _SPACING * np.arange(num_labeled)
    frames = earliest + rng.integers(0, _SPACING - 2 * _CONTEXT, num_labeled)
    folder = f"labeled-data/{session}"
    neighbours = np.unique(frames[:, None] + np.arange(-_CONTEXT, _CONTEXT + 1))
    for frame in neighbours.tolist():
        _write_png(out / folder / _image_name(frame), scene.render(frame))
    labels = person.label(scene.truth(frames), rng)
    images = tuple(f"{folder}/{_image_name(frame)}" for frame in frames.tolist())
    return _table(images, labels, root=out)


def _film(path: Path, scene: Scene, num_frames: int) -> None:
    """Write a session's video, and the truth beside it."""
    frames = np.arange(num_frames)
    height, width = scene.render(0).shape
    with VideoWriter(path, fps=FPS, width=width, height=height, crf=20) as video:
        for frame in frames.tolist():
            video.write(cv2.cvtColor(scene.render(frame), cv2.COLOR_GRAY2RGB))
    images = tuple(str(frame) for frame in frames.tolist())
    write_labels(_table(images, scene.truth(frames), root=path.parent), truth_path(path))


def _table(images: tuple[str, ...], points: Truth, *, root: Path) -> LabelTable:
    return LabelTable(
        images=images,
        xy_img=np.round(points.xy_img, _DECIMALS),
        keypoint_names=KEYPOINT_NAMES,
        root=root,
        scorer=_SCORER,
        visible=points.visible,
    )


def _joined(tables: list[LabelTable]) -> LabelTable:
    images = tuple(image for table in tables for image in table.images)
    points = Truth(
        xy_img=np.concatenate([table.xy_img for table in tables]),
        visible=np.concatenate([table.visible for table in tables if table.visible is not None]),
    )
    return _table(images, points, root=tables[0].root)


def _write_png(path: Path, picture: UInt8[np.ndarray, "h w"]) -> None:
    _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise WriteError(f"{path} was not written: {error.strerror or error}.") from error


def _image_name(frame: int) -> str:
    return f"img{frame:08d}.png"
