"""What went into a decoder and what came out, and what that says of the file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import av

from lightning_pose.video.info import VideoInfo

_NAMED_AT_MOST = 5
_TOLERATED_GAP_S, _TOLERATED_PART = 0.5, 0.05
_ONE_PACKET_A_FRAME = ("h264", "hevc")  # unless each is one of the two fields of a frame


@dataclass
class Tally:
    """Counts while a file is decoded; what it says of the file is complete after the last frame.

    Attributes:
        packets: that are to be shown.
        no_frames: how many of those begin none: second fields, settings, remarks.
        frames: that came out.
        lost_at_s: when what could not be decoded would have been shown.
        patched_frames: numbers of frames in which damage was patched over.
        skipped_at_s: when frames are shown before which others are missing.
        ended_at_s: where the file ends and where its header says so, if that is well after it.
        first_packet_s: the earliest time before the first frame came out.
        first_frame_s: when the first frame is shown.
        last_time_s: when the frame that came out last is shown; None = the file does not say.
        end_s: when the last one is over.
        interlaced: whether frames are made of two fields.
    """

    packets: int = 0
    no_frames: int = 0
    frames: int = 0
    lost_at_s: list[float] = field(default_factory=list)
    patched_frames: list[int] = field(default_factory=list)
    skipped_at_s: list[float] = field(default_factory=list)
    ended_at_s: tuple[float, float] | None = None
    first_packet_s: float = math.inf
    first_frame_s: float = -math.inf
    last_time_s: Fraction | None = None
    end_s: float = -math.inf
    interlaced: bool = False

    def note(self, frame: av.VideoFrame, unit_s: Fraction | None, fps: Fraction) -> None:
        """Count a frame that came out.

        Args:
            frame: as it was decoded.
            unit_s: of its times.
            fps: the usual rate.
        """
        if frame.is_corrupt:
            self.patched_frames.append(self.frames)
        self.interlaced |= bool(frame.interlaced_frame)
        self.last_time_s = seconds(frame.pts, unit_s)
        if self.last_time_s is not None:
            if self.frames == 0:
                self.first_frame_s = float(self.last_time_s)
            length_s = max(seconds(frame.duration, unit_s) or 0, 1 / fps)
            self.end_s = max(self.end_s, float(self.last_time_s + length_s))
        self.frames += 1

    def compare_end(self, stated_s: float | None, *, begin_s: float, fps: Fraction) -> None:
        """Note where a file without index ends, if that is well before what its header states.

        Args:
            stated_s: the end by the header; None = it says nothing.
            begin_s: of the file; below 0 where a clock overran in between.
            fps: the usual rate.
        """
        if not stated_s or math.isinf(self.end_s):
            return
        gap_s = stated_s + min(begin_s, 0) - self.end_s
        if gap_s > max(min(_TOLERATED_GAP_S, _TOLERATED_PART * stated_s), 2 / fps):
            self.ended_at_s = self.end_s, stated_s

    def problems(self, info: VideoInfo) -> tuple[str, ...]:
        """Return what is wrong with the file, one sentence each."""
        found = self._lost(info)
        if self.patched_frames:
            named = ", ".join(str(n) for n in self.patched_frames[:_NAMED_AT_MOST])
            more = ", ..." if len(self.patched_frames) > _NAMED_AT_MOST else ""
            found.append(
                f"Damage was patched over by the decoder at frame {named}{more}; the frames up to "
                "the next key frame may show it too."
            )
        if self.skipped_at_s:
            found.append(
                f"Reference frames are missing, the first near {self.skipped_at_s[0]:.2f} s; the "
                "frames from there to the next key frame may be wrong."
            )
        if self.ended_at_s is not None and not info.problems:
            end_s, stated_s = self.ended_at_s
            found.append(
                f"The file ends early: its last frame is over at {end_s:.2f} s of the "
                f"{stated_s:.2f} s its header states."
            )
        return tuple(found)

    def _lost(self, info: VideoInfo) -> list[str]:
        lost_at = f", the first near {self.lost_at_s[0]:.2f} s" if self.lost_at_s else ""
        has_index, promised = info.num_frames is not None, info.num_frames or self.packets
        promised -= self.no_frames
        missing = (
            f"{promised - self.frames} of {promised} frames could not be decoded{lost_at}; "
            "frame numbers count the decoded ones."
        )
        # Without an index packets are counted, some of which show nothing in some codecs.
        if self.frames < promised and (has_index or lost_at):
            return [missing]
        if lost_at:
            return [f"Parts of the file could not be decoded{lost_at}."]
        late_s = self.first_frame_s - self.first_packet_s
        if late_s > 0.5 / info.fps:
            return [
                f"The first {late_s:.2f} s could not be decoded: the file begins between two key "
                "frames."
            ]
        one_each = info.codec in _ONE_PACKET_A_FRAME and not self.interlaced
        return [missing] if self.frames < promised and one_each else []


def seconds(stamp: int | None, unit_s: Fraction | None) -> Fraction | None:
    """Return a time of a container in seconds; None where it says none."""
    return None if stamp is None or unit_s is None else stamp * unit_s
