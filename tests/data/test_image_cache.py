"""The cache holds each image once, at network size, with maps that lead back to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.frame_store import MemoryLimits
from lightning_pose.data.image_cache import ImageCache
from lightning_pose.ops.affine import apply_affine

MakeTable = Callable[..., LabelTable]
SPEC = DataSpec(height=32, width=64)


def pillow_resized(path: Path, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    image = Image.open(path)
    if box is not None:
        x, y, height, width = box
        image = image.crop((x, y, x + width, y + height))
    resized = image.resize((SPEC.width, SPEC.height), Image.Resampling.BILINEAR)
    return np.asarray(resized.convert("RGB")).transpose(2, 0, 1).astype(int)


def back_in_image(cache: ImageCache, rows: torch.Tensor) -> torch.Tensor:
    items = cache.fetch(rows)
    return apply_affine(items.net_to_image, items.keypoints_net)


def test_images_of_mixed_sizes_come_at_network_size(make_table: MakeTable, tmp_path: Path) -> None:
    table = make_table(4)
    make_table(images=(table.images[2],), hw=(90, 33))
    items = ImageCache([table], spec=SPEC).fetch(torch.arange(4))
    assert items.images.shape == (4, 1, 1, 3, 32, 64)
    for row in range(4):
        difference = items.images[row, 0, 0].numpy() - pillow_resized(table.path(row))
        assert np.abs(difference).max() <= 1


def test_sizes_are_those_of_the_files(make_table: MakeTable) -> None:
    table = make_table(3)
    make_table(images=(table.images[2],), hw=(90, 33))
    cache = ImageCache([table], spec=SPEC)
    np.testing.assert_array_equal(cache.sizes[:, 0], [[40, 60], [40, 60], [90, 33]])


def test_keypoints_and_maps_lead_back_to_the_labels(make_table: MakeTable) -> None:
    table = make_table(4)
    make_table(images=(table.images[2],), hw=(90, 63))
    table.xy_img[1, 2] = np.nan
    rows = torch.tensor([2, 1])
    found = back_in_image(ImageCache([table], spec=SPEC), rows)
    expected = torch.from_numpy(table.xy_img[rows.numpy()]).float()[:, None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0, equal_nan=True)


def test_keypoints_follow_the_half_pixel_rule(make_table: MakeTable) -> None:
    table = make_table(1)
    table.xy_img[0, 0] = -0.5, 39.5
    items = ImageCache([table], spec=SPEC).fetch(torch.tensor([0]))
    torch.testing.assert_close(items.keypoints_net[0, 0, 0], torch.tensor([-0.5, 31.5]))


def test_neighbours_surround_the_labelled_frame(make_table: MakeTable, tmp_path: Path) -> None:
    files = tuple(f"s/img{i:02d}.png" for i in range(4, 9))
    make_table(images=files)
    table = make_table(images=("s/img05.png", "s/img06.png"), hw=None)
    cache = ImageCache([table], spec=DataSpec(height=32, width=64, context=5))
    images = cache.fetch(torch.tensor([0, 1])).images
    assert images.shape == (2, 1, 5, 3, 32, 64)
    for row, numbers in enumerate([[5, 4, 5, 6, 7], [4, 5, 6, 7, 8]]):
        for time, number in enumerate(numbers):
            difference = images[row, 0, time].numpy() - pillow_resized(
                tmp_path / f"s/img{number:02d}.png"
            )
            assert np.abs(difference).max() <= 1


def test_shared_neighbours_are_decoded_once(make_table: MakeTable) -> None:
    table = make_table(images=tuple(f"s/img{i:02d}.png" for i in range(10)))
    cache = ImageCache([table], spec=DataSpec(height=32, width=64, context=5))
    assert len(cache.store) == 10


def test_views_are_stacked(make_table: MakeTable) -> None:
    top = make_table(images=("a_top/img1.png", "a_top/img2.png"))
    side = make_table(images=("a_side/img1.png", "a_side/img2.png"), hw=(33, 44))
    cache = ImageCache([top, side], spec=SPEC)
    items = cache.fetch(torch.tensor([1]))
    assert items.images.shape == (1, 2, 1, 3, 32, 64)
    assert items.keypoints_net.shape == (1, 2, 3, 2)
    assert np.abs(items.images[0, 1, 0].numpy() - pillow_resized(side.path(1))).max() <= 1
    found = back_in_image(cache, torch.tensor([1]))[0, 1]
    torch.testing.assert_close(found, torch.from_numpy(side.xy_img[1]).float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("box", [(10, 5, 20, 30), (-4, 30, 20, 30)])
def test_a_box_is_cut_out_and_maps_lead_back_to_the_whole_image(
    make_table: MakeTable, box: tuple[int, int, int, int]
) -> None:
    table = make_table(2)
    boxes = {table.images[0]: box, table.images[1]: (0, 0, 40, 60)}
    cache = ImageCache([table], spec=SPEC, bboxes=boxes)
    images = cache.fetch(torch.tensor([0])).images[0, 0, 0].numpy()
    assert np.abs(images - pillow_resized(table.path(0), box)).max() <= 1
    found = back_in_image(cache, torch.tensor([0]))[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(table.xy_img[0]).float(), atol=1e-4, rtol=0)


def test_neighbours_are_cropped_to_the_box_of_the_labelled_frame(make_table: MakeTable) -> None:
    make_table(images=tuple(f"s/img{i}.png" for i in range(5)))
    table = make_table(images=("s/img2.png",), hw=None)
    box = (10, 5, 20, 30)
    cache = ImageCache(
        [table], spec=DataSpec(height=32, width=64, context=5), bboxes={"s/img2.png": box}
    )
    first = cache.fetch(torch.tensor([0])).images[0, 0, 0].numpy()
    assert np.abs(first - pillow_resized(table.root / "s/img0.png", box)).max() <= 1


def test_unreadable_images_are_all_named(make_table: MakeTable) -> None:
    table = make_table(5)
    table.path(1).write_bytes(b"not an image")
    table.path(3).write_bytes(table.path(3).read_bytes()[:300])
    with pytest.raises(DataError) as caught:
        ImageCache([table], spec=SPEC, workers=2)
    assert str(table.path(1)) in str(caught.value)
    assert str(table.path(3)) in str(caught.value)


def test_a_missing_image_is_named(make_table: MakeTable) -> None:
    table = make_table(2)
    table.path(1).unlink()
    with pytest.raises(DataError, match=r"img001\.png cannot be read: No such file"):
        ImageCache([table], spec=SPEC)


def test_an_image_of_another_size_than_stated_is_named(make_table: MakeTable) -> None:
    table = make_table(3)
    make_table(images=(table.images[2],), hw=(90, 33))
    with pytest.raises(
        DataError, match=r"are 40 x 60 .* 1 image differ: .*img002\.png \(90 x 33\)"
    ):
        ImageCache([table], spec=SPEC, original_hw=(40, 60))
    with pytest.raises(DataError, match=r"img002\.png \(90 x 33\)"):
        ImageCache([table], spec=SPEC, original_hw=(None, 60))
    assert len(ImageCache([table.rows(np.array([0, 1]))], spec=SPEC, original_hw=(40, 60))) == 2


def test_the_number_of_workers_changes_nothing(make_table: MakeTable) -> None:
    table = make_table(6)
    one, many = (ImageCache([table], spec=SPEC, workers=n).fetch(torch.arange(6)) for n in (1, 4))
    assert torch.equal(one.images, many.images)


def test_the_place_of_the_frames_changes_nothing(make_table: MakeTable) -> None:
    table = make_table(6)
    limits = MemoryLimits(device=0, host=0)
    in_file = ImageCache([table], spec=SPEC, limits=limits)
    assert in_file.store.place == "file"
    rows = torch.tensor([4, 1, 1])
    assert torch.equal(
        in_file.fetch(rows).images, ImageCache([table], spec=SPEC).fetch(rows).images
    )


def test_progress_is_told_to_the_end(make_table: MakeTable) -> None:
    seen: list[tuple[int, int]] = []
    ImageCache(
        [make_table(5)], spec=SPEC, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(done, 5) for done in range(1, 6)]


def test_every_file_read_has_its_hash(make_table: MakeTable) -> None:
    table = make_table(3)
    digests = ImageCache([table], spec=SPEC).digests
    assert digests == {
        table.path(row): hashlib.sha256(table.path(row).read_bytes()).hexdigest()
        for row in range(3)
    }
