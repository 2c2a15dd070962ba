"""A part of a long video, without decoding what lies before it where its index allows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lightning_pose.contracts.errors import UnreadableError
from lightning_pose.video.decode import Decoder, Picture
from lightning_pose.video.sample_frames import SampleFrames
from lightning_pose.video.sample_table import trusted_table
from lightning_pose.video.segments import DamagedError


def pictures_in(decoder: Decoder, wanted: range, num_frames: int) -> Iterator[Picture]:
    """Yield the frames of these numbers, which are those that ``decoder`` gives them.

    Args:
        decoder: of the video; it decodes from the beginning what the index does not lead to.
        wanted: consecutive numbers.
        num_frames: how many can be decoded; only an index that names as many numbers them alike.

    Raises:
        VideoError: as decoding does.
    """
    info, done = decoder.info, wanted.start
    table = trusted_table(info)
    if table is not None and table.num_frames == num_frames:
        source = SampleFrames(info.path, table, info.orientation)
        try:
            with contextlib.suppress(DamagedError):
                for pixels in source.stream(wanted.start, wanted.stop):
                    yield Picture(pixels=pixels, time_s=int(table.times[done]) * table.unit_s)
                    done += 1
        except OSError as error:
            reason = error.strerror or error
            raise UnreadableError(f"{info.path} can no longer be read: {reason}.") from error
        finally:
            source.close()
    if done < wanted.stop:
        yield from decoder.pictures(range(done, wanted.stop))
