"""How fast a model predicts a video here, and which part of the work sets the pace."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from lightning_pose.inference.model import Model
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.work import Source, Work
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.reader import SegmentReader, VideoReader, open_reader

DECODE, PREPARE, NETWORK, WHOLE = "decoding", "to the input", "network", "end to end"
_PART_S = 1.0  # about; of each measurement of frames in memory
_WARM_UP = 4  # batches
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Frames a second of each part of the work alone, and of all of it together.

    Attributes:
        frames: of the video.
        reader: what decodes.
        device: where the network runs.
        precision: in which arithmetic, and what runs the backbone if torch does not.
        batch_size: frames at a time.
        start_s: seconds that the first run took beyond the later ones: kernels chosen, recorded
            or compiled, decoders made.
        rates: frames a second by part: decoding, to the input (frames in memory to what the
            network is fed; part of the network's time as well), network, end to end.
        waited: share of the time end to end that the network waited for the decoder, 0..1.
    """

    frames: int
    reader: str
    device: str
    precision: str
    batch_size: int
    start_s: float
    rates: dict[str, float] = field(default_factory=dict)
    waited: float = 0.0

    @property
    def limit(self) -> str:
        """Return which part alone is the slower one: decoding or network."""
        return min((DECODE, NETWORK), key=lambda part: self.rates[part])

    @property
    def reached(self) -> float:
        """Return the share of the slower part's rate that is reached end to end."""
        return self.rates[WHOLE] / self.rates[self.limit]


def measure_speed(
    model: Model,
    video: Path,
    *,
    reader: str = "auto",
    batch_size: int | None = None,
    rounds: int = 3,
) -> Speed:
    """Measure; every rate is the median of some rounds, after one that does not count.

    Args:
        model: the model.
        video: an example of what it is to predict; a minute or more tells most.
        reader: name of a video reader, or auto.
        batch_size: frames at a time; None = what is fast.
        rounds: how often each is measured.

    Raises:
        VideoError: the video cannot be read.
        ModelError: the model looks at several views.
    """
    size = model.default_batch_size if batch_size is None else batch_size

    def opened() -> VideoReader:
        device, halo = model.compute.device, model.data_spec.halo
        return open_reader(video, batch_size=size, halo=halo, device=device, name=reader)

    first_s, result = _timed(lambda: model.predict_views([opened()], batch_size=size))
    frames = len(result.predictions[0])
    whole, waited = [], []
    for _ in range(rounds):
        seconds, result = _timed(lambda: model.predict_views([opened()], batch_size=size))
        whole.append(seconds)
        waited.append(result.progress.waited_s / seconds)
    decoding = [_timed(lambda: _decode(model, opened()))[0] for _ in range(rounds)]
    example = _example(opened())
    return Speed(
        frames=frames,
        reader=result.reader,
        device=str(model.compute.device),
        precision=model.arithmetic,
        batch_size=size,
        start_s=max(0.0, first_s - statistics.median(whole)),
        rates={
            DECODE: frames / statistics.median(decoding),
            PREPARE: _rate(model, example, model.to_network, rounds),
            NETWORK: _rate(model, example, model.predict_raw, rounds),
            WHOLE: frames / statistics.median(whole),
        },
        waited=statistics.median(waited),
    )


def _example(reader: VideoReader) -> RawFrames:
    """Return frames as a prediction gets them: of a GPU's decoder, in its memory."""
    first = reader.segments[:1] if isinstance(reader, SegmentReader) else ()
    batches = iter(reader)
    if isinstance(reader, SegmentReader) and first:
        batches = iter(reader.read(first))
    example = next(batches)
    if isinstance(batches, Generator):
        batches.close()
    return example


class _NoNetwork:
    """Takes decoded frames as the network does, and says nothing of them."""

    def __init__(self, model: Model) -> None:
        self.in_flight = 0
        self.compute = model.compute
        self._num_keypoints = len(model.keypoint_names)

    def __call__(
        self, views: Sequence[RawFrames], boxes: Sequence[Tensor | None], *, capacity: int = 0
    ) -> OnTheWay:
        ids = views[0].frame_ids
        nothing = torch.zeros(len(ids), self._num_keypoints, 2)
        return OnTheWay(ids, nothing, nothing[..., 0])


def _decode(model: Model, reader: VideoReader) -> None:
    """Decode a video with as many threads as a prediction does."""
    store = RowStore(None, key="", keypoint_names=model.keypoint_names)
    source = Source(readers=(reader,), boxes=(None,), batch_size=0)
    (finished,) = model.pipeline(_NoNetwork(model)).run([Work(source, store)])
    if finished.failed is not None:
        raise finished.failed


def _rate(
    model: Model, example: RawFrames, work: Callable[[RawFrames], object], rounds: int
) -> float:
    """Return frames a second of a part of the work that starts with decoded frames in memory."""
    gpu = model.compute.device.type == "cuda"

    def run(times: int) -> None:
        deque(run_batches(work, repeat(example, times), compute=model.compute), maxlen=0)
        if gpu:
            torch.cuda.synchronize(model.compute.device)

    run(_WARM_UP)
    one_s = _timed(lambda: run(_WARM_UP))[0] / _WARM_UP
    times = max(_WARM_UP, round(_PART_S / one_s))
    seconds = statistics.median(_timed(lambda: run(times))[0] for _ in range(rounds))
    return times * len(example.frame_ids) / seconds


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    before = time.perf_counter()
    result = work()
    return time.perf_counter() - before, result
