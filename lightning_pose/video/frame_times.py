"""How the frames of a video follow on each other, gathered while they are decoded."""

from __future__ import annotations

from dataclasses import dataclass

_ROUNDING_S = 0.001  # Matroska counts milliseconds, and times once rounded stay so when copied


def unevenly_spaced(narrowest_s: float, widest_s: float, *, tick_s: float = 0.0) -> bool:
    """Tell whether distances of frames differ by more than rounding makes of equal ones.

    Args:
        narrowest_s: the smallest of them.
        widest_s: the largest of them.
        tick_s: unit in which the file counts time.
    """
    rounding_s = max(tick_s, min(_ROUNDING_S, widest_s / 4))
    return widest_s - narrowest_s > 1.01 * rounding_s


@dataclass(kw_only=True)
class FrameTimes:
    """Numbers about decoded frames, all in seconds of the video; plain values throughout.

    Attributes:
        num_frames: decoded so far.
        num_timed: of these, those of which the file says when they are shown.
        num_not_later: those not shown later than the frame before them.
        num_interlaced: those that hold two half-pictures.
        first_s: time of the first timed frame.
        last_s: time of the last timed frame.
        narrowest_s: smallest distance between a frame and the one before it.
        widest_s: largest such distance.
        widest_after: the frame before the widest gap.
        tick_s: unit in which the file counts time.
        last_key: the last key frame.
        widest_key_gap: most frames between key frames before that.
    """

    num_frames: int = 0
    num_timed: int = 0
    num_not_later: int = 0
    num_interlaced: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    narrowest_s: float = 0.0
    widest_s: float = 0.0
    widest_after: int = 0
    tick_s: float = 0.0
    last_key: int = 0
    widest_key_gap: int = 0

    def add(
        self, time_s: float | None, *, is_key: bool, is_interlaced: bool, tick_s: float | None
    ) -> None:
        """Take down the next frame.

        Args:
            time_s: when it is shown; None = the file does not say.
            is_key: whether it is a key frame.
            is_interlaced: whether it holds two half-pictures.
            tick_s: unit in which the file counts time; None = not known of this frame.
        """
        if is_key:
            self.widest_key_gap = max(self.widest_key_gap, self.num_frames - self.last_key)
            self.last_key = self.num_frames
        self.num_interlaced += is_interlaced
        if tick_s is not None:
            self.tick_s = tick_s
        if time_s is not None:
            self._add_time(time_s)
        self.num_frames += 1

    @property
    def key_frame_gap(self) -> int:
        """Return the most frames from one key frame to the next, or to the end."""
        return max(self.widest_key_gap, self.num_frames - self.last_key)

    @property
    def fps(self) -> float | None:
        """Return how many frames there are a second on average; None if it cannot be told."""
        length_s = self.last_s - self.first_s
        return (self.num_timed - 1) / length_s if self.num_timed > 1 and length_s > 0 else None

    @property
    def uneven(self) -> bool:
        """Return whether frames are unevenly spaced."""
        return unevenly_spaced(self.narrowest_s, self.widest_s, tick_s=self.tick_s)

    def _add_time(self, time_s: float) -> None:
        self.num_timed += 1
        if self.num_timed == 1:
            self.first_s = self.last_s = time_s
            return
        step_s, self.last_s = time_s - self.last_s, time_s
        self.num_not_later += step_s <= 0
        if self.num_timed == 2 or step_s < self.narrowest_s:
            self.narrowest_s = step_s
        if self.num_timed == 2 or step_s > self.widest_s:
            self.widest_s, self.widest_after = step_s, self.num_frames - 1
