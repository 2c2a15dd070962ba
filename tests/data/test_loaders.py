"""Batches: every row once an epoch, order and augmentation a function of seed and epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, LabeledBatch
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data import loaders
from lightning_pose.data.augmentation import build_augmenter
from lightning_pose.data.augmentation.patches import CoarseSalt
from lightning_pose.data.image_cache import ImageCache
from lightning_pose.data.loaders import LabeledLoader

SPEC = DataSpec(height=32, width=64, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))


@pytest.fixture
def cache(make_table: Callable[..., LabelTable]) -> ImageCache:
    return ImageCache([make_table(11)], spec=SPEC)


def loader_of(cache: ImageCache, **options: Any) -> LabeledLoader:
    options = {"batch_size": 4} | options
    return LabeledLoader(cache, np.arange(len(cache)), **options)


def row_ids(loader: LabeledLoader) -> list[list[int]]:
    return [batch.row_ids.tolist() for batch in loader]


def all_rows(loader: LabeledLoader) -> list[int]:
    return [row for batch in row_ids(loader) for row in batch]


class ShiftAndNote:
    """Adds a random number to everything, and notes what is drawn."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, int]] = []

    def draw(self, n: int, num_keypoints: int, hw: Any, *, seed: int, groups: int = 1) -> Tensor:
        self.notes.append((n, seed))
        return torch.rand(n, generator=torch.Generator().manual_seed(seed))

    def apply(
        self, images: Tensor, keypoints_net: Tensor, net_to_image: Tensor, drawn: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return (
            images + drawn.view(-1, 1, 1, 1, 1, 1),
            keypoints_net + drawn.view(-1, 1, 1, 1),
            net_to_image,
        )


def test_without_shuffling_rows_come_in_their_order(cache: ImageCache) -> None:
    loader = LabeledLoader(cache, np.array([7, 2, 9, 3, 5, 0]), batch_size=4)
    assert row_ids(loader) == [[7, 2, 9, 3], [5, 0]]


def test_an_epoch_shows_every_row_once(cache: ImageCache) -> None:
    shown = row_ids(loader_of(cache, shuffle=True))
    assert [len(batch) for batch in shown] == [4, 4, 3]
    assert sorted(row for batch in shown for row in batch) == list(range(11))


def test_order_is_a_function_of_seed_and_epoch(cache: ImageCache) -> None:
    loader = loader_of(cache, shuffle=True, seed=1)
    first = row_ids(loader)
    assert row_ids(loader) == first
    loader.set_epoch(5)
    sixth = row_ids(loader)
    assert sixth != first
    fresh = loader_of(cache, shuffle=True, seed=1)
    fresh.sampler.set_epoch(5)
    assert row_ids(fresh) == sixth
    assert row_ids(loader_of(cache, shuffle=True, seed=2)) != first


def test_an_abandoned_epoch_leaves_no_trace(cache: ImageCache) -> None:
    loader = loader_of(cache, shuffle=True)
    whole = row_ids(loader)
    next(iter(loader))
    assert row_ids(loader) == whole


@pytest.mark.parametrize(
    ("number", "batch_size", "expected"),
    [
        (9, 4, [4, 5]),
        (11, 4, [4, 4, 3]),
        (8, 4, [4, 4]),
        (1, 4, [1]),
        (5, 2, [2, 3]),
        (3, 1, [1, 1, 1]),
        (0, 4, []),
    ],
)
def test_a_last_batch_of_one_is_joined_to_the_one_before(
    cache: ImageCache, number: int, batch_size: int, expected: list[int]
) -> None:
    loader = LabeledLoader(cache, np.arange(number), batch_size=batch_size)
    assert [len(batch) for batch in row_ids(loader)] == expected
    assert len(loader) == len(expected)


def test_images_are_normalised_as_the_spec_says(cache: ImageCache) -> None:
    (batch,) = loader_of(cache, batch_size=11)
    raw = cache.fetch(torch.arange(11)).images.double() / 255
    mean = torch.tensor(SPEC.mean).double().view(3, 1, 1)
    std = torch.tensor(SPEC.std).double().view(3, 1, 1)
    torch.testing.assert_close(batch.images.double(), (raw - mean) / std, atol=1e-5, rtol=0)


def test_images_lie_ready_for_a_channels_last_network(cache: ImageCache) -> None:
    for batch in loader_of(cache, augment=ShiftAndNote()):
        assert isinstance(batch, LabeledBatch)
        assert batch.images.flatten(0, 2).is_contiguous(memory_format=torch.channels_last)


def test_augmentation_is_a_function_of_seed_and_epoch(cache: ImageCache) -> None:
    def images(seed: int, epoch: int) -> Tensor:
        loader = loader_of(cache, augment=ShiftAndNote(), seed=seed)
        loader.set_epoch(epoch)
        return torch.cat([batch.images for batch in loader])

    assert torch.equal(images(0, 3), images(0, 3))
    assert not torch.equal(images(0, 3), images(0, 4))
    assert not torch.equal(images(0, 3), images(1, 3))


def test_stepping_through_epochs_gives_what_each_gives_alone(cache: ImageCache) -> None:
    def epoch_of(loader: LabeledLoader, epoch: int) -> list[LabeledBatch]:
        loader.set_epoch(epoch)
        return list(loader)

    options = {"augment": build_augmenter("dlc"), "shuffle": True, "seed": 3}
    stepped = loader_of(cache, **options)
    for epoch in range(9):
        batches = epoch_of(stepped, epoch)
        for one, other in zip(batches, epoch_of(loader_of(cache, **options), epoch), strict=True):
            assert torch.equal(one.row_ids, other.row_ids)
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.keypoints_net, other.keypoints_net)


def test_each_epoch_draws_for_itself_what_its_samples_share(
    cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids: list[tuple[int, tuple[int, ...]]] = []
    draw = CoarseSalt.draw

    def spy(self: CoarseSalt, rng: Any, n: int, hw: tuple[int, int]) -> dict[str, Any]:
        drawn = draw(self, rng, n, hw)
        grids.append((n, drawn["keep_and_level"].shape[-2:]))
        return drawn

    monkeypatch.setattr(CoarseSalt, "draw", spy)
    wishes = {"CoarseSalt": {"p": 1.0, "args": {"size_percent": [0.2, 0.9]}}}
    list(loader_of(cache, augment=build_augmenter(wishes)))
    assert [n for n, _ in grids[:8]] == [11] * 8  # eight epochs at once, none knows of the others
    assert len({grid for _, grid in grids[:8]}) > 4


def test_several_batches_are_augmented_at_once_each_chunk_with_its_own_seed(
    cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loaders._CHUNK_PIXELS, "cpu", 9 * SPEC.height * SPEC.width)
    augment = ShiftAndNote()
    assert len(list(loader_of(cache, augment=augment))) == 3
    assert [number for number, _ in augment.notes[:2]] == [8, 3]
    assert augment.notes[0][1] != augment.notes[1][1]


def test_chunks_change_no_batch_without_augmentation(
    cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = list(loader_of(cache, shuffle=True))
    monkeypatch.setitem(loaders._CHUNK_PIXELS, "cpu", 1)
    for one, other in zip(together, loader_of(cache, shuffle=True), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.row_ids, other.row_ids)


def test_augmentation_cannot_spoil_the_cache(cache: ImageCache) -> None:
    class Blacken(ShiftAndNote):
        def apply(
            self, images: Tensor, keypoints_net: Tensor, net_to_image: Tensor, drawn: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            return images.zero_(), keypoints_net, net_to_image

    before = cache.fetch(torch.arange(11)).images.clone()
    list(loader_of(cache, augment=Blacken()))
    assert torch.equal(cache.fetch(torch.arange(11)).images, before)


@pytest.mark.parametrize("number", [11, 8, 1])
def test_processes_share_an_epoch_evenly(cache: ImageCache, number: int) -> None:
    ranks = [
        LabeledLoader(
            cache, np.arange(number), batch_size=2, shuffle=True, rank=rank, world_size=3
        )
        for rank in range(3)
    ]
    shown = [all_rows(loader) for loader in ranks]
    assert len({len(loader) for loader in ranks}) == 1
    assert len({len(rows) for rows in shown}) == 1
    assert {row for rows in shown for row in rows} == set(range(number))


def test_processes_evaluate_every_row_once(cache: ImageCache) -> None:
    ranks = [loader_of(cache, rank=rank, world_size=3) for rank in range(3)]
    shown = [row for loader in ranks for row in all_rows(loader)]
    assert sorted(shown) == list(range(11))


def test_lightning_finds_where_to_set_the_epoch(cache: ImageCache) -> None:
    from lightning.fabric.utilities.data import _set_sampler_epoch

    loader = loader_of(cache, shuffle=True)
    _set_sampler_epoch(loader, 7)
    assert loader.epoch == 7


@pytest.mark.gpu
def test_a_gpu_is_never_made_to_wait(make_table: Callable[..., LabelTable]) -> None:
    cache = ImageCache([make_table(11)], spec=SPEC, device="cuda")
    loader = loader_of(cache, shuffle=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(loader)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(batch.images.device.type == "cuda" for batch in batches)
