"""How far the reading of data is, shown while its hashes are computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_pose.cli.terminal import ProgressLine
from lightning_pose.contracts.file_hashes import FileHashes

MB = 10**6
WORTH_SHOWING = 1000 * MB


@contextmanager
def reading_shown() -> Iterator[None]:
    """Show a line while much data is read for its hash: hours of video take minutes, once."""
    line: ProgressLine | None = None

    def show(done: int, total: int) -> None:
        nonlocal line
        if total < WORTH_SHOWING:
            return
        if line is None:
            line = ProgressLine("reading data, which is done once", unit="MB")
        line.update(done // MB, total // MB)
        if done == total:
            line.clear()
            line = None

    before = FileHashes.listener
    FileHashes.listener = show
    try:
        yield
    finally:
        FileHashes.listener = before
        if line is not None:
            line.clear()
