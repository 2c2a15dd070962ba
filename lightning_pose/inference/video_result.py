"""What comes of predicting one video, or one session, without writing files."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.pipeline import Pipeline, progress_of
from lightning_pose.inference.progress import OnProgress, Progress
from lightning_pose.inference.work import Work


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """What came of predicting a video.

    Attributes:
        predictions: one table a view, every decodable frame once.
        problems: what was wrong with the files, one sentence each.
        progress: frames and time at the end.
        reader: name of the reader's class.
    """

    predictions: tuple[Predictions, ...]
    problems: tuple[str, ...]
    progress: Progress
    reader: str


def video_result(
    pipeline: Pipeline, work: Work, on_progress: OnProgress | None = None
) -> VideoResult:
    """Predict one work, whose store is read in the end.

    Raises:
        VideoError: a video cannot be read, or the views have different numbers of frames.
    """

    def tell(work: Work, progress: Progress) -> None:
        if on_progress is not None:
            on_progress(progress)

    deque(pipeline.run([work], tell), maxlen=0)
    if work.failed is not None:
        raise work.failed
    progress = progress_of(work)
    tell(work, progress)
    readers = work.source.readers
    return VideoResult(
        predictions=tuple(
            replace(table, source=str(reader.info.path))
            for table, reader in zip(work.store.views(), readers, strict=True)
        ),
        problems=work.problems(),
        progress=progress,
        reader=type(readers[0]).__name__,
    )
