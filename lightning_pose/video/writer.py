"""Writing a video file, frame by frame."""

from __future__ import annotations

import contextlib
import errno
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError, WriteError
from lightning_pose.video.encoders import encoder_options, first_encoder

BT709, BT601 = 1, 6  # FFmpeg's numbers, the same of colour space, primaries and transfer
_MATRICES = {BT709: Colorspace.ITU709, BT601: Colorspace.ITU601}
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class VideoWriter:
    """Writes RGB frames to a file that any player opens; the file appears only when it is whole.

    H.264 with 4:2:0 colour, tagged BT.709 unless told otherwise. That colour format needs even
    sizes: an odd width or height grows by one pixel on the right or at the bottom (the edge is
    repeated), so pixel coordinates keep their meaning. Ask for ``pixel_format="yuv444p"`` to keep
    an odd size exactly; browsers do not play that.

    Example:
        >>> import numpy as np, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> with VideoWriter(path, fps=25, width=64, height=48) as video:
        ...     for _ in range(3):
        ...         video.write(np.full((48, 64, 3), 128, dtype=np.uint8))
        >>> path.exists()
        True

    Args:
        path: the suffix chooses the container (.mp4, .mov, .mkv, .avi, .webm).
        fps: frames per second.
        width: of the frames given, in pixels.
        height: of the frames given, in pixels.
        crf: quality of H.264 and VP9, 0 (lossless) to 51; 18 is hard to tell from the source.
        codec: an encoder's name; None takes H.264, VP9 for .webm.
        pixel_format: how colour is stored.
        preset: effort of the H.264 encoder; slower makes smaller files.
        chroma_qp_offset: of H.264, -12 to 12; below 0 colours are kept more faithfully.
        time_base: unit in seconds of the ``pts`` given to :meth:`write`; None = ``1 / fps``.
        key_frame_every: frames from one key frame to the next at most; None = the encoder's habit.
        colours: ``BT709`` or ``BT601``.
        comment: kept in the file.

    Raises:
        VideoError: the size or rate is not positive, or there is no such encoder.
        WriteError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: Fraction | float | int,
        width: int,
        height: int,
        crf: int = 18,
        codec: str | None = None,
        pixel_format: str = "yuv420p",
        preset: str = "veryfast",
        chroma_qp_offset: int = 0,
        time_base: Fraction | None = None,
        key_frame_every: int | None = None,
        colours: int = BT709,
        comment: str = "",
    ) -> None:
        self.path = Path(path)
        self.num_frames = 0
        self._size = (height, width)
        if width < 1 or height < 1:
            raise VideoError(f"{self.path}: a video of {width} x {height} pixels cannot be made.")
        rate = _as_rate(fps, self.path)
        self._suffix = self.path.suffix.lower()
        if self._suffix == ".avi" and time_base is not None:
            raise VideoError(f"{self.path}: AVI holds no frame times; use .mp4 or .mkv.")
        self._padding = (height % 2, width % 2) if "420" in pixel_format else (0, 0)
        self._pixel_format = pixel_format
        self._reformatter = VideoReformatter()  # one for all frames: setting it up takes longest
        # What is converted is copied in doing so; what is not must be the encoder's own.
        is_kept = pixel_format == "rgb24"
        self._as_frame = av.VideoFrame.from_ndarray if is_kept else av.VideoFrame.from_numpy_buffer
        self._time_base = time_base or 1 / rate
        self._last_pts: int | None = None
        temporary = f".{self.path.stem}.{os.getpid()}.tmp{self.path.suffix}"
        self._temporary = self.path.with_name(temporary)
        name = codec or first_encoder(self.path)
        options = encoder_options(name, crf=crf, preset=preset)
        if chroma_qp_offset and name == "libx264":
            options["x264-params"] = f"chroma-qp-offset={chroma_qp_offset}"
        self._colours = colours
        self._open(name, rate, options)
        if key_frame_every is not None:
            self._stream.codec_context.gop_size = key_frame_every
        if comment:
            self._container.metadata["comment"] = comment

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def write(self, frame: UInt8[np.ndarray, "height width 3"], *, pts: int | None = None) -> None:
        """Append one RGB frame.

        Args:
            frame: uint8, 0..255.
            pts: when it is shown, in ``time_base`` units; must grow from frame to frame.
                None = one unit after the frame before it.

        Raises:
            VideoError: the size or type is wrong, or time does not grow.
            WriteError: the disk is full or gone.
        """
        if frame.dtype != np.uint8 or frame.shape != (*self._size, 3):
            raise VideoError(
                f"{self.path}: frame {self.num_frames} should be uint8 of shape "
                f"{(*self._size, 3)}, got {frame.dtype} of shape {frame.shape}."
            )
        when = self._due(pts)
        if any(self._padding):
            rows, columns = self._padding
            frame = np.pad(frame, ((0, rows), (0, columns), (0, 0)), mode="edge")
        self._append(self._picture(frame, when), when)

    def write_stored(self, frame: av.VideoFrame) -> None:
        """Append a decoded frame without converting it, one unit after the frame before it.

        Args:
            frame: of the writer's size, pixel format and colours, in video range; its time is
                changed.

        Raises:
            VideoError: the size or pixel format is another.
            WriteError: the disk is full or gone.
        """
        if (frame.height, frame.width) != self._size or frame.format.name != self._pixel_format:
            raise VideoError(
                f"{self.path}: frame {self.num_frames} is stored as {frame.format.name}, "
                f"{frame.width} x {frame.height}, not as {self._pixel_format}, {self._size[1]} x "
                f"{self._size[0]}."
            )
        when = self._due(None)
        frame.pts, frame.time_base = when, self._time_base
        frame.pict_type = PictureType.NONE  # else it stays a key frame, or may not become one
        self._append(frame, when)

    def close(self) -> Path:
        """Finish the file, give it its final name and return that.

        Raises:
            WriteError: it cannot be finished, or it was given no frame; nothing is left under the
                final name.
        """
        if self.num_frames == 0:
            self.discard()
            raise WriteError(f"{self.path} was not written: it was given no frame.")
        self._encode(None)
        try:
            self._container.close()
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._temporary.replace(self.path)
        except (FFmpegError, OSError) as error:
            self.discard()
            raise _not_written(self.path, error) from error
        return self.path

    def discard(self) -> None:
        """Drop what was written so far."""
        # What could not be flushed does not matter: it is about to be deleted.
        with contextlib.suppress(FFmpegError, OSError):
            self._container.close()
        self._temporary.unlink(missing_ok=True)

    def _open(self, codec: str, rate: Fraction, options: dict[str, str]) -> None:
        seekable = {"movflags": "+faststart"} if self._suffix in (".mp4", ".mov") else {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._temporary), mode="w", options=seekable)
        except ValueError as error:
            raise VideoError(
                f"{self.path}: the name should end in a video format, .mp4, .mkv, .avi or .webm."
            ) from error
        except (FFmpegError, OSError) as error:
            raise _not_written(self.path, error) from error
        try:
            stream = self._container.add_stream(codec, rate=rate, options=options)
        except (ValueError, FFmpegError) as error:
            self.discard()
            raise VideoError(
                f"{self.path}: the encoder {codec!r} cannot write {self._suffix} here: {error}."
            ) from error
        self._stream = cast("VideoStream", stream)
        self._stream.height = self._size[0] + self._padding[0]
        self._stream.width = self._size[1] + self._padding[1]
        self._stream.pix_fmt = self._pixel_format
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = self._colours
        context.color_range = ColorRange.MPEG
        context.thread_type = "AUTO"
        if self._suffix == ".avi":  # AVI keeps no display times, so order must be decoding order
            context.max_b_frames = 0

    def _due(self, pts: int | None) -> int:
        """Return when the next frame is shown.

        Raises:
            VideoError: that is not after the frame before it.
        """
        following = 0 if self._last_pts is None else self._last_pts + 1
        when = following if pts is None else pts
        if self._last_pts is not None and when < following:
            raise VideoError(
                f"{self.path}: frame {self.num_frames} has time {when}, which is not after "
                f"{self._last_pts}, the time of the frame before it."
            )
        return when

    def _append(self, picture: av.VideoFrame, when: int) -> None:
        self._encode(picture)
        self._last_pts = when
        self.num_frames += 1

    def _picture(self, frame: UInt8[np.ndarray, "height width 3"], pts: int) -> av.VideoFrame:
        picture = self._reformatter.reformat(
            self._as_frame(np.ascontiguousarray(frame), format="rgb24"),
            format=self._pixel_format,
            dst_colorspace=_MATRICES[self._colours],
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT,
            threads=1,
        )
        picture.pts, picture.time_base = pts, self._time_base
        return picture

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except (FFmpegError, OSError) as error:
            self.discard()
            raise _not_written(self.path, error) from error


def _as_rate(fps: Fraction | float | int, path: Path) -> Fraction:
    """Return ``fps`` as the fraction it stands for: 29.97 is 30000/1001."""
    if isinstance(fps, int | Fraction):
        rate = Fraction(fps)
    else:
        television = Fraction(round(fps * 1.001) * 1000, 1001)
        near = abs(float(television) - fps) < 0.004 and fps != round(fps)
        rate = television if near else Fraction(fps).limit_denominator(1000)
    if rate <= 0:
        raise VideoError(f"{path}: a video needs a positive frame rate, got {fps}.")
    return rate


def _not_written(path: Path, error: Exception) -> WriteError:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return WriteError(
            f"{path} was not written: the disk is full. Free some space and run the same command "
            "again."
        )
    reason = getattr(error, "strerror", None) or error
    return WriteError(f"{path} was not written: {reason}.")
