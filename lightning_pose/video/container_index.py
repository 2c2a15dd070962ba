"""The index of a container as FFmpeg holds it, as one array."""

from __future__ import annotations

import numpy as np
from av.video.stream import VideoStream

_ENTRY = np.dtype([("pos", "i8"), ("time", "i8"), ("size", "i4"), ("key", "?"), ("hidden", "?")])


def entries_of(stream: VideoStream) -> np.ndarray:
    """Return the index of a track, a row a stored frame; half a second for a million frames.

    The columns are ``pos`` (byte), ``time`` (of decoding, in units of the track), ``size``
    (bytes), ``key`` (whether it is a key frame) and ``hidden`` (whether an edit list hides it).
    """
    index = stream.index_entries
    rows = ((e.pos, e.timestamp, e.size, e.is_keyframe, e.is_discard) for e in index)
    return np.fromiter(rows, dtype=_ENTRY, count=len(index))
