"""Batches of labelled frames, made on the device from the decoded cache.

There are no worker processes: a batch is a gather, an augmentation and a normalisation, done for
many batches at once (a *chunk*): few launches keep a GPU busy, and nothing makes it wait. Where an
epoch is small, several are augmented together. Order and augmentation are functions of seed,
epoch, rank and chunk, never of what ran before.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.data.image_cache import CachedItems, ImageCache

# Pixels worked on at a time: 256 frames of 256 x 256 on a GPU, 64 elsewhere.
_CHUNK_PIXELS = {"cuda": 256 * 256 * 256}
_OTHER_CHUNK_PIXELS = 64 * 256 * 256
_EPOCHS_TOGETHER = 8  # at most; more would only delay the first step
_ORDER, _AUGMENTATION = 0, 1


@runtime_checkable
class Augment(Protocol):
    """A random change of frames, with their points and maps."""

    def draw(
        self, n: int, num_keypoints: int, hw: tuple[int, int], *, seed: int, groups: int = 1
    ) -> Any:
        """Return what ``apply`` needs for n samples (a view counts as one), settled by ``seed``.

        Called in another thread, ahead of time. There may be several ``groups`` of equally many
        samples, one an epoch: nothing may be drawn for all of them at once.
        """
        ...

    def apply(
        self,
        images: Float[Tensor, "b v t 3 height width"],
        keypoints_net: Float[Tensor, "b v k 2"],
        net_to_image: Float[Tensor, "b v 2 3"],
        drawn: Any,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same three, changed; images are RGB in 0..1 before and after."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Batches that are made together: some of one epoch, or all of several that begin with it."""

    epoch: int
    epochs: int = 1
    number: int = 0
    start: int = 0
    sizes: tuple[int, ...]


class LabeledLoader:
    """Yields :class:`LabeledBatch` on the device of the cache.

    A thread settles what is drawn for the next chunk while this one is trained on. The last batch
    may be smaller. If it would hold a single row it is joined to the one before,
    because batch normalisation cannot learn from one value per channel.

    Args:
        cache: the decoded images.
        rows: which rows of it.
        batch_size: rows a batch; with ``shuffle`` of all processes together.
        shuffle: draw a new order every epoch; otherwise rows come in the order given.
        seed: of order and augmentation.
        augment: changes frames at random; None = they stay as they are.
        rank: which of the processes that share the work this is.
        world_size: how many there are. With ``shuffle`` they share the very batches that one
            process alone would get; a batch that does not divide is filled up with first rows of
            the epoch. Otherwise each takes every ``world_size``-th row.
    """

    def __init__(
        self,
        cache: ImageCache,
        rows: Int[np.ndarray, " n"],
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augment | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.cache = cache
        self.rows = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._ahead: dict[int, list[LabeledBatch]] = {}
        self._drawing: dict[_Chunk, Future[Any]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="litpose-draw")
        mean, std = torch.tensor([cache.spec.mean, cache.spec.std], device=cache.device)
        self._scale = (1 / std).repeat(cache.spec.width)
        self._shift = (-mean / std).repeat(cache.spec.width)

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return len(self._batch_sizes())

    @property
    def num_rows(self) -> int:
        """Return the number of rows an epoch, in this process."""
        return sum(self._batch_sizes())

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    @property
    def sampler(self) -> LabeledLoader:
        """Return the loader: it is where Lightning looks for :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and augmentation come next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[LabeledBatch]:
        for chunk in self._chunks(self.epoch):
            if chunk.epochs == 1:
                yield from self._make(chunk)[0]
                continue
            if self.epoch not in self._ahead:
                self._ahead = dict(enumerate(self._make(chunk), chunk.epoch))
            yield from self._ahead.pop(self.epoch)

    def _make(self, chunk: _Chunk) -> list[list[LabeledBatch]]:
        """Return the batches of a chunk, for each of its epochs."""
        each = slice(chunk.start, chunk.start + sum(chunk.sizes))
        epochs = range(chunk.epoch, chunk.epoch + chunk.epochs)
        rows = torch.cat([self._order(epoch)[each] for epoch in epochs])
        made = self._finish(self.cache.fetch(rows), self._drawn(chunk))
        batches = iter(_cut(made, list(chunk.sizes) * chunk.epochs))
        return [list(islice(batches, len(chunk.sizes))) for _ in epochs]

    def _drawn(self, chunk: _Chunk) -> Any:
        """Return what was drawn for a chunk, and have that for the next one drawn meanwhile."""
        if self.augment is None:
            return None
        drawing = self._drawing.pop(chunk, None) or self._draw(chunk)
        for other in self._drawing.values():
            other.cancel()
        following = self._following(chunk)
        self._drawing = {following: self._draw(following)}
        return drawing.result()

    def _draw(self, chunk: _Chunk) -> Future[Any]:
        assert self.augment is not None
        spec = self.cache.spec
        views, num_keypoints = self.cache.views_and_keypoints
        return self._thread.submit(
            self.augment.draw,
            sum(chunk.sizes) * chunk.epochs * views,
            num_keypoints,
            (spec.height, spec.width),
            seed=_mix(self.seed, chunk.epoch, _AUGMENTATION, self.rank, chunk.number),
            groups=chunk.epochs,
        )

    def _following(self, chunk: _Chunk) -> _Chunk:
        later = self._chunks(chunk.epoch)[chunk.number + 1 :]
        return later[0] if later else self._chunks(chunk.epoch + chunk.epochs)[0]

    def _chunks(self, epoch: int) -> list[_Chunk]:
        """Return the chunks that hold the batches of an epoch."""
        sizes = self._batch_sizes()
        together = self._epochs_together()
        if together > 1 and sizes:
            return [_Chunk(epoch=epoch - epoch % together, epochs=together, sizes=tuple(sizes))]
        each = max(1, self._rows_at_once() // max(self.batch_size, 1))
        return [
            _Chunk(
                epoch=epoch,
                number=number,
                start=sum(sizes[:first]),
                sizes=tuple(sizes[first : first + each]),
            )
            for number, first in enumerate(range(0, len(sizes), each))
        ]

    def _order(self, epoch: int) -> Int[Tensor, " n"]:
        rows = self.rows
        if self.shuffle:
            generator = torch.Generator().manual_seed(_mix(self.seed, epoch, _ORDER))
            rows = rows[torch.randperm(len(rows), generator=generator)]
            if self.world_size > 1:
                return torch.cat([self._own(batch, rows) for batch in rows.split(self._shared())])
        return rows[self.rank :: self.world_size]

    def _own(self, batch: Int[Tensor, " b"], fill: Int[Tensor, " n"]) -> Int[Tensor, " own"]:
        """Return this process's rows of a batch that all share, equally many for each."""
        missing = -len(batch) % self.world_size
        fill = fill.repeat(-(-missing // len(fill)))[:missing]
        return torch.cat([batch, fill])[self.rank :: self.world_size]

    def _batch_sizes(self) -> list[int]:
        """Return the rows of each batch in this process."""
        if self.shuffle:
            return [-(-size // self.world_size) for size in self._shared()]
        return _cut_up(len(range(self.rank, len(self.rows), self.world_size)), self.batch_size)

    def _shared(self) -> list[int]:
        """Return the rows of each batch that the processes share."""
        return _cut_up(len(self.rows), self.batch_size)

    def _epochs_together(self) -> int:
        """Return how many epochs make one chunk; 1 if one alone fills it or nothing is drawn."""
        if self.augment is None:
            return 1
        return min(_EPOCHS_TOGETHER, max(1, self._rows_at_once() // max(self.num_rows, 1)))

    def _rows_at_once(self) -> int:
        spec = self.cache.spec
        allowed = _CHUNK_PIXELS.get(self.cache.device.type, _OTHER_CHUNK_PIXELS)
        return allowed // max(self.cache.frames_per_row * spec.height * spec.width, 1)

    def _finish(self, items: CachedItems, drawn: Any) -> LabeledBatch:
        """Return the chunk augmented, normalised and laid out for channels-last networks."""
        images = items.images / 255.0
        keypoints_net, net_to_image = items.keypoints_net, items.net_to_image
        if self.augment is not None:
            images, keypoints_net, net_to_image = self.augment.apply(
                images, keypoints_net, net_to_image, drawn
            )
        return LabeledBatch(
            images=self._normalised(images),
            keypoints_net=keypoints_net,
            net_to_image=net_to_image,
            row_ids=items.row_ids,
        )

    def _normalised(
        self, images: Float[Tensor, "b v t 3 height width"]
    ) -> Float[Tensor, "b v t 3 height width"]:
        """Return (images - mean) / std, in the same memory if they lie channels-last.

        Whole lines of an image (width times 3 numbers) are scaled at a time: broadcasting over
        three channels that lie side by side would be five times slower.
        """
        flat = images.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        lines = (len(flat), flat.shape[-2], -1)
        flat.permute(0, 2, 3, 1).view(*lines).mul_(self._scale).add_(self._shift)
        return flat.unflatten(0, images.shape[:3])


def _cut(chunk: LabeledBatch, sizes: list[int]) -> Iterator[LabeledBatch]:
    parts = zip(
        chunk.images.split(sizes),
        chunk.keypoints_net.split(sizes),
        chunk.net_to_image.split(sizes),
        chunk.row_ids.split(sizes),
        strict=True,
    )
    for images, keypoints_net, net_to_image, row_ids in parts:
        yield LabeledBatch(
            images=images,
            keypoints_net=keypoints_net,
            net_to_image=net_to_image,
            row_ids=row_ids,
        )


def _cut_up(number: int, batch_size: int) -> list[int]:
    """Return the sizes of the batches of ``number`` rows; none but an only one is of one row."""
    full, rest = divmod(number, batch_size)
    sizes = [batch_size] * full
    if rest == 1 and full:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def _mix(*parts: int) -> int:
    """Return a seed that depends on every part."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
