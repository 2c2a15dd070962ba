"""Batches of labelled frames, made on the device from the decoded cache.

There are no worker processes: a batch is a gather, an augmentation and a normalisation, done for
many batches at once (a *chunk*): few launches keep a GPU busy, and nothing makes it wait. Where an
epoch is small, several are augmented together. Order and augmentation are functions of seed,
epoch, rank and chunk, never of what ran before.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

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
    """A random change of frames, with their points and maps, as a function of ``seed``."""

    def __call__(
        self,
        images: Float[Tensor, "b v t 3 height width"],
        keypoints_net: Float[Tensor, "b v k 2"],
        net_to_image: Float[Tensor, "b v 2 3"],
        *,
        seed: int,
        groups: int = 1,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same three, changed; images are RGB in 0..1 before and after.

        There may be several ``groups`` of equally many samples, one an epoch: nothing may be drawn
        for all of them at once.
        """
        ...


class LabeledLoader:
    """Yields :class:`LabeledBatch` on the device of the cache.

    The last batch may be smaller. If it would hold a single row it is joined to the one before,
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
        together = self._epochs_together()
        if together == 1:
            yield from self._epoch_by_chunks()
            return
        if self.epoch not in self._ahead:
            self._ahead = self._several_epochs(self.epoch - self.epoch % together, together)
        yield from self._ahead.pop(self.epoch)

    def _epoch_by_chunks(self) -> Iterator[LabeledBatch]:
        order = self._order(self.epoch)
        for number, sizes in enumerate(self._chunks()):
            rows, order = order.split([sum(sizes), len(order) - sum(sizes)])
            chunk = self._finish(self.cache.fetch(rows), self._seed(self.epoch, number))
            yield from _cut(chunk, sizes)

    def _several_epochs(self, first: int, number: int) -> dict[int, list[LabeledBatch]]:
        """Return the batches of ``number`` epochs, augmented together with draws of their own."""
        epochs, sizes = range(first, first + number), self._batch_sizes()
        rows = torch.cat([self._order(epoch) for epoch in epochs])
        chunk = self._finish(self.cache.fetch(rows), self._seed(first, 0), groups=number)
        batches = iter(_cut(chunk, sizes * number))
        return {epoch: list(islice(batches, len(sizes))) for epoch in epochs}

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

    def _chunks(self) -> list[list[int]]:
        """Return the batch sizes of each chunk."""
        sizes = self._batch_sizes()
        per_chunk = max(1, self._rows_at_once() // max(self.batch_size, 1))
        return [sizes[start : start + per_chunk] for start in range(0, len(sizes), per_chunk)]

    def _epochs_together(self) -> int:
        """Return how many epochs make one chunk; 1 if one alone fills it or nothing is drawn."""
        if self.augment is None:
            return 1
        return min(_EPOCHS_TOGETHER, max(1, self._rows_at_once() // max(self.num_rows, 1)))

    def _rows_at_once(self) -> int:
        spec = self.cache.spec
        allowed = _CHUNK_PIXELS.get(self.cache.device.type, _OTHER_CHUNK_PIXELS)
        return allowed // max(self.cache.frames_per_row * spec.height * spec.width, 1)

    def _seed(self, epoch: int, chunk: int) -> int:
        return _mix(self.seed, epoch, _AUGMENTATION, self.rank, chunk)

    def _finish(self, items: CachedItems, seed: int, *, groups: int = 1) -> LabeledBatch:
        """Return the chunk augmented, normalised and laid out for channels-last networks."""
        images = items.images / 255.0
        keypoints_net, net_to_image = items.keypoints_net, items.net_to_image
        if self.augment is not None:
            images, keypoints_net, net_to_image = self.augment(
                images, keypoints_net, net_to_image, seed=seed, groups=groups
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
