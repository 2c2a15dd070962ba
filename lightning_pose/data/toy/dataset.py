"""Writing the toy data set: a project folder with labels, images, videos and the truth."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import NOT_LABELLED, OCCLUDED, read_labels, write_labels
from lightning_pose.data.toy.cameras import MIRRORED, SEPARATE, Camera, Tables
from lightning_pose.data.toy.scene import Scene, Truth
from lightning_pose.video.writer import VideoWriter

STEM = "CollectedData"
LABELS_FILE = f"{STEM}.csv"
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
    separate_cameras: bool = False,
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
        separate_cameras: write each view as a camera of its own, in place of one image that
            holds both: ``CollectedData_side.csv``, ``labeled-data/walk1_side/``,
            ``videos/walk6_side.mp4``, and the same for ``below``.

    Raises:
        DataError: a number is too small, or ``out`` holds labels already.
        WriteError: a file cannot be written.
    """
    videos = (num_video_frames, num_new_video_frames)
    _check_numbers(num_sessions, num_labeled, num_new_labeled, videos)
    cameras = SEPARATE if separate_cameras else MIRRORED
    _check_free(out, cameras)
    studio = _Studio(out, cameras=cameras, person=labeller or Labeller())
    shares = np.array_split(np.arange(num_labeled), num_sessions)
    labelled = [
        studio.label(f"walk{number}", Scene(seed=seed, session=number), len(share))
        for number, share in enumerate(shares, start=1)
    ]
    held_out = Scene(seed=seed, session=num_sessions + 1)
    studio.film(f"walk{num_sessions + 1}", held_out, num_video_frames)
    new = Scene(seed=seed, session=NEW_SESSION_NUMBER, new=True)
    new_labels = studio.label(NEW_SESSION, new, num_new_labeled)
    studio.film(NEW_SESSION, new, num_new_video_frames)
    for view, camera in enumerate(cameras):
        write_labels(new_labels[view], out / f"{STEM}{camera.ending}_new.csv")
        tables = [of_session[view] for of_session in labelled]
        write_labels(_joined(tables), out / f"{STEM}{camera.ending}.csv")
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
    studio = _Studio(path.parent, cameras=MIRRORED, person=Labeller())
    studio.film_into([path], Scene(seed=seed, session=session), num_frames)
    return path


def read_truth(video: Path) -> LabelTable:
    """Return the exact keypoints of a toy video, one row a frame.

    ``visible`` is 0 for a point outside its view (then NaN), 1 for a hidden one, 2 for a visible
    one; ``images`` are the frame numbers.

    Raises:
        DataError: there is no truth beside this video.
    """
    path = truth_path(Path(video))
    return read_labels(path, data_dir=path.parent)


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


def _check_free(out: Path, cameras: Sequence[Camera]) -> None:
    there = [out / f"{STEM}{camera.ending}.csv" for camera in cameras]
    for path in there:
        if path.exists():
            raise DataError(f"{path} exists already; choose another folder for the toy data set.")


@dataclass(frozen=True)
class _Studio:
    """Writes sessions into a folder, as each of some cameras sees them.

    Attributes:
        out: folder of the data set.
        cameras: parts of the drawn image that become files of their own.
        person: who labels.
    """

    out: Path
    cameras: Sequence[Camera]
    person: Labeller

    def label(self, session: str, scene: Scene, num_labeled: int) -> Tables:
        """Write the images of one session and return its labels, one table a camera."""
        rng = np.random.default_rng([*scene.stream, _LABELS_STREAM])
        earliest = _CONTEXT + _SPACING * np.arange(num_labeled)
        frames = earliest + rng.integers(0, _SPACING - 2 * _CONTEXT, num_labeled)
        folders = [f"labeled-data/{session}{camera.ending}" for camera in self.cameras]
        for frame in np.unique(frames[:, None] + np.arange(-_CONTEXT, _CONTEXT + 1)).tolist():
            drawn = scene.render(frame)
            for camera, folder in zip(self.cameras, folders, strict=True):
                _write_png(self.out / folder / _image_name(frame), camera.picture(drawn))
        labels = self.person.label(scene.truth(frames), rng)
        return tuple(
            _table(
                [f"{folder}/{_image_name(f)}" for f in frames.tolist()], labels, camera, self.out
            )
            for camera, folder in zip(self.cameras, folders, strict=True)
        )

    def film(self, session: str, scene: Scene, num_frames: int) -> None:
        """Write a session's videos, and the truth beside each."""
        folder = self.out / "videos"
        paths = [folder / f"{session}{camera.ending}.mp4" for camera in self.cameras]
        self.film_into(paths, scene, num_frames)

    def film_into(self, paths: Sequence[Path], scene: Scene, num_frames: int) -> None:
        """Write a session's videos under these names, one a camera, the truth beside each."""
        frames = np.arange(num_frames)
        first = scene.render(0)
        with contextlib.ExitStack() as open_videos:
            videos = []
            for path, camera in zip(paths, self.cameras, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                height, width = camera.picture(first).shape
                video = VideoWriter(path, fps=FPS, width=width, height=height, crf=20)
                videos.append(open_videos.enter_context(video))
            for frame in frames.tolist():
                drawn = scene.render(frame)
                for camera, video in zip(self.cameras, videos, strict=True):
                    video.write(cv2.cvtColor(camera.picture(drawn), cv2.COLOR_GRAY2RGB))
        truth = scene.truth(frames)
        for path, camera in zip(paths, self.cameras, strict=True):
            table = _table([str(frame) for frame in frames], truth, camera, path.parent)
            write_labels(table, truth_path(path))


def _table(images: Sequence[str], points: Truth, camera: Camera, root: Path) -> LabelTable:
    own = camera.points(points)
    return LabelTable(
        images=tuple(images),
        xy_img=np.round(own.xy_img, _DECIMALS),
        keypoint_names=camera.keypoint_names,
        root=root,
        scorer=_SCORER,
        visible=own.visible,
    )


def _joined(tables: Sequence[LabelTable]) -> LabelTable:
    """Return the rows of all tables of a camera."""
    return replace(
        tables[0],
        images=tuple(image for table in tables for image in table.images),
        xy_img=np.concatenate([table.xy_img for table in tables]),
        visible=np.concatenate([table.visible for table in tables if table.visible is not None]),
    )


def _write_png(path: Path, picture: UInt8[np.ndarray, "h w"]) -> None:
    _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise WriteError(f"{path} was not written: {error.strerror or error}.") from error


def _image_name(frame: int) -> str:
    return f"img{frame:08d}.png"
