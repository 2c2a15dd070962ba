"""A copy of a video without what is wrong with it: the same frames, checked one by one.

If the container alone is at fault the compressed pictures are copied into a new MP4. Otherwise
they are encoded anew: H.264, 8-bit 4:2:0 in video range, upright, at a constant rate, with a key
frame every second. Colours are those of BT.601 unless pictures can be taken over as they are
stored; then they are the source's.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from lightning_pose.contracts.errors import LitposeError, VideoError, WriteError
from lightning_pose.contracts.file_hashes import file_hash
from lightning_pose.contracts.file_locks import FileLock, NoLocksError
from lightning_pose.contracts.files import (
    check_is_no_file,
    remove_leftovers,
    why_not_written,
    write_atomically,
)
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import VideoInfo, open_video, packets_of
from lightning_pose.video.orientation import Orientation
from lightning_pose.video.preflight import OnFrame, Preflight, preflight
from lightning_pose.video.video_problems import Cure
from lightning_pose.video.writer import BT601, BT709, VideoWriter

# Mean difference of a frame's pixels from those of the source, of 255: encoding, and one colour
# for four pixels, may change them so much.
TOLERANCE = 3.0

_CRF = 6
_SUFFIX = ".mp4"
_COLOURS = (1, 2, 5, 6)  # FFmpeg's numbers: BT.709, not stated (read as BT.601), PAL, NTSC
_COPIED = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "libvpx-vp9", "mpeg4"})
_MARK = "repaired by litpose preflight from a file with the sampled sha256"

# Is told what is being done, how many frames are done, and how many there are.
OnRepair = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Repair:
    """A repaired copy.

    Attributes:
        path: of the copy.
        how: copied or encoded anew.
        num_frames: as many as can be decoded of the source.
        difference: mean difference of pixels of the frame that differs most, of 255; None if the
            copy was there already.
    """

    path: Path
    how: Cure
    num_frames: int
    difference: float | None


def repair(
    path: Path | str,
    folder: Path,
    *,
    stem: str | None = None,
    on_progress: OnRepair | None = None,
) -> Repair | None:
    """Write a repaired copy of a video into ``folder``; None if nothing calls for one.

    The source is only read. The copy appears under its name once it is whole and has been compared
    with the source, frame by frame. One that is there already is kept.

    Args:
        path: the video.
        folder: where the copy goes.
        stem: its name without suffix; the source's if not given.
        on_progress: is told how far it is.

    Raises:
        VideoError: the video cannot be read, or no copy comes close enough to it.
        WriteError: the copy cannot be written, or a file that is no copy of this video has its
            name.
    """
    path = Path(path)
    found = preflight(path, on_frame=_stage("counting", on_progress))
    if found.error is not None:
        raise VideoError(found.error)
    if found.cure is Cure.NONE:
        return None
    check_is_no_file(folder)
    target = folder / f"{stem or path.stem}{_SUFFIX}"
    mark = f"{_MARK} {file_hash(path, 'sampled_sha256')}"
    if _is_there(target, path, mark):
        there = preflight(target, on_frame=_stage("checking", on_progress))
        if there.error is None and there.cure is Cure.NONE:
            return Repair(
                path=target, how=found.cure, num_frames=there.num_frames or 0, difference=None
            )
    job = _Job(found=found, mark=mark, on_progress=on_progress)
    if found.cure is Cure.COPY and found.codec in _COPIED:
        try:
            return job.write(target, Cure.COPY)
        except VideoError:
            pass  # its packets do not do in another container; what is encoded anew does
    return job.write(target, Cure.ENCODE)


@contextlib.contextmanager
def _claimed(target: Path) -> Generator[None]:
    """Keep other processes from writing a copy; delete what killed ones left of it.

    Raises:
        WriteError: another process is writing it, or the folder cannot be written.
    """
    claim = FileLock(target.with_name(f".{target.stem}.litpose-claim"), leave_file=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        holder = claim.take()
    except NoLocksError:  # then nothing is known of others
        yield
        return
    except OSError as error:
        raise WriteError(why_not_written(target, error)) from error
    if holder:
        raise WriteError(f"{target} is being written by {holder}; leave it to that one.")
    try:
        remove_leftovers(target)
        yield
    finally:
        claim.release()


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Writing and checking the copy of one video."""

    found: Preflight
    mark: str
    on_progress: OnRepair | None

    def write(self, target: Path, how: Cure) -> Repair:
        differences: list[float] = []

        def write_and_check(temporary: Path) -> None:
            if how is Cure.COPY:
                self._copy(temporary)
            else:
                self._encode(temporary)
            differences.append(self._compared(temporary, 0.0 if how is Cure.COPY else TOLERANCE))
            self._check_cured(temporary)

        with _claimed(target):
            write_atomically(target, write_and_check)
        return Repair(
            path=target,
            how=how,
            num_frames=self.found.num_frames or 0,
            difference=differences[0],
        )

    def _copy(self, path: Path) -> None:
        """Copy the packets of the default picture track into a new MP4."""
        told = _stage("copying", self.on_progress)
        try:
            with (
                open_video(self.found.path) as (source, track),
                av.open(str(path), "w", options={"movflags": "+faststart"}) as copy,
            ):
                stream = copy.add_stream_from_template(track)
                copy.metadata["comment"] = self.mark
                packets = (packet for packet in packets_of(source, track) if packet.size)
                for number, packet in enumerate(packets):
                    if packet.pts is None:  # AVI holds none
                        packet.pts = packet.dts
                    packet.stream = stream
                    copy.mux(packet)
                    told(number + 1, self.found.num_frames)
        except (FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self.found.path} cannot be copied into an MP4: {error}."
            ) from error

    def _encode(self, path: Path) -> None:
        """Encode the frames anew, as they are shown."""
        told = _stage("encoding", self.on_progress)
        decoder, fps = Decoder(self.found.path), self.found.fps
        colours = BT709 if decoder.info.colour_matrix == BT709 else BT601
        as_stored = _is_plain(decoder.info)
        with VideoWriter(
            path,
            fps=fps,
            width=self.found.width,
            height=self.found.height,
            crf=_CRF,
            key_frame_every=max(round(fps), 1),
            colours=colours if as_stored else BT601,
            comment=self.mark,
        ) as copy:
            if as_stored:
                for frame in decoder.frames():
                    copy.write_stored(frame)
                    told(copy.num_frames, self.found.num_frames)
            else:
                for picture in decoder:
                    copy.write(np.ascontiguousarray(picture.pixels))
                    told(copy.num_frames, self.found.num_frames)

    def _compared(self, copy: Path, tolerance: float) -> float:
        """Return by how much the copy differs from the source.

        Raises:
            VideoError: it has another number of frames, or a frame differs too much.
        """
        told = _stage("comparing", self.on_progress)
        worst = 0.0
        pairs = itertools.zip_longest(Decoder(self.found.path), Decoder(copy))
        for number, (one, other) in enumerate(pairs):
            if one is None or other is None:
                raise self._failed("it has another number of frames")
            height, width = one.pixels.shape[:2]  # of an odd size the copy is a pixel larger
            own = other.pixels[:height, :width]
            off = np.maximum(own, one.pixels) - np.minimum(own, one.pixels)
            worst = max(worst, float(off.mean()))
            if worst > tolerance:
                raise self._failed(f"frame {number} differs by {worst:.2f} of 255 on average")
            told(number + 1, self.found.num_frames)
        return worst

    def _check_cured(self, copy: Path) -> None:
        after = preflight(copy, on_frame=_stage("checking", self.on_progress))
        if after.error is not None:
            raise self._failed(after.error)
        left = [problem.what for problem in after.problems if problem.cure is not Cure.NONE]
        if left or after.num_frames != self.found.num_frames:
            raise self._failed(left[0] if left else "it has another number of frames")

    def _failed(self, reason: str) -> LitposeError:
        return VideoError(
            f"No copy of {self.found.path} was kept, because it is not what it should be "
            f"({reason.rstrip('.')}). Predict the video as it is."
        )


def _is_plain(info: VideoInfo) -> bool:
    """Tell whether pictures can go into the copy as they are stored, without another rounding."""
    return (
        info.pixel_format == "yuv420p"
        and info.orientation == Orientation()
        and info.colour_matrix in _COLOURS
        and not info.full_range
        and info.width % 2 == info.height % 2 == 0
    )


def _is_there(target: Path, source: Path, mark: str) -> bool:
    """Tell whether a copy of this video has the name already.

    Raises:
        WriteError: it is the source, or something else.
    """
    if not target.exists():
        return False
    if target.resolve() == source.resolve():
        raise WriteError(
            f"The repaired copy of {source} would replace it. Choose another folder (--fix)."
        )
    try:
        with open_video(target) as (container, _):
            comment = container.metadata.get("comment", "")
    except VideoError:
        comment = ""
    if comment != mark:
        raise WriteError(
            f"{target} is there already, and is no repaired copy of {source}. Choose another "
            "folder (--fix)."
        )
    return True


def _stage(name: str, on_progress: OnRepair | None) -> OnFrame:
    def told(done: int, total: int | None) -> None:
        if on_progress is not None:
            on_progress(name, done, total)

    return told
