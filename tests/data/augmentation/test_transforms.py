"""What each transform that changes pixel values does, and that it moves nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_pose.data.augmentation import build_augmenter
from lightning_pose.data.augmentation.elastic import ElasticTransformation
from lightning_pose.data.augmentation.geometry import CropAndPad
from lightning_pose.data.augmentation.transform import TRANSFORMS, PhotometricTransform
from tests.data.augmentation.scenes import NET_HW, Scene, noise_scene

PHOTOMETRIC = [e.name for e in TRANSFORMS if issubclass(e.value, PhotometricTransform)]


def always(name: str, **args: Any) -> dict[str, Any]:
    return {name: {"p": 1.0, "args": args}}


def change(scene: Scene, name: str, **args: Any) -> Tensor:
    return scene.changed(build_augmenter(always(name, **args))).images


def blocks(hit: Tensor) -> Tensor:
    """Return where runs of equal values begin along rows of a mask [h, w], as column numbers."""
    return (hit.any(0).int().diff() != 0).nonzero().flatten() + 1


@pytest.mark.parametrize("name", TRANSFORMS.names())
def test_any_transform_keeps_shape_and_range_and_changes_something(name: str) -> None:
    cls = TRANSFORMS.get(name)
    args = {"pairs": []} if "pairs" in cls.__dataclass_fields__ else {}
    args |= {"rotate": [10, 20]} if name == "Affine" else {}
    scene = noise_scene(n=40)
    images = change(scene, name, **args)
    assert images.shape == scene.images.shape
    assert images.isfinite().all()
    assert images.min() >= 0.0
    assert images.max() <= 1.0 + 1e-6
    assert not torch.equal(images, scene.images)


@pytest.mark.parametrize("name", PHOTOMETRIC)
def test_photometric_transforms_move_no_point(name: str) -> None:
    scene = noise_scene()
    after = scene.changed(build_augmenter(always(name)))
    torch.testing.assert_close(after.keypoints_net, scene.keypoints_net, equal_nan=True)
    assert torch.equal(after.net_to_image, scene.net_to_image)


@pytest.mark.parametrize("name", ["AllChannelsCLAHE", "AllChannelsHistogramEqualization"])
def test_equalising_a_mirrored_picture_mirrors_the_result(name: str) -> None:
    scene = noise_scene()
    args = {"tile_grid_size_px": 4} if name == "AllChannelsCLAHE" else {}
    mirrored = Scene(scene.images.flip(-1), scene.keypoints_net, scene.net_to_image)
    there, back = change(scene, name, **args), change(mirrored, name, **args).flip(-1)
    torch.testing.assert_close(there, back, atol=1e-5, rtol=0)


def test_equalisation_spreads_grey_levels_and_keeps_their_order() -> None:
    scene = noise_scene(n=1)
    dim = Scene(0.3 + 0.1 * scene.images, scene.keypoints_net, scene.net_to_image)
    equal = change(dim, "AllChannelsHistogramEqualization")[0, 0, 0]
    for before, after in zip(dim.images[0, 0, 0], equal, strict=True):
        levels = torch.histc(after, bins=4, min=0, max=1) / after.numel()
        assert levels.min() > 0.2
        order = after.flatten()[(before * 255).long().flatten().argsort()]
        assert (order.diff() >= 0).all()


def test_clahe_raises_the_contrast_of_a_dim_picture() -> None:
    scene = noise_scene(n=2)
    dim = Scene(0.3 + 0.1 * scene.images, scene.keypoints_net, scene.net_to_image)
    assert change(dim, "AllChannelsCLAHE", clip_limit=8).std() > 3 * dim.images.std()


def test_clahe_works_on_a_picture_smaller_than_its_largest_grid() -> None:
    tiny = torch.rand(2, 1, 1, 3, 32, 32)
    augmenter = build_augmenter(always("AllChannelsCLAHE", tile_grid_size_px=12))
    images, _, _ = augmenter(
        tiny, torch.zeros(2, 1, 1, 2), torch.eye(2, 3).expand(2, 1, 2, 3), seed=0
    )
    assert images.isfinite().all()


@pytest.mark.parametrize(("name", "level"), [("CoarseSalt", 1.0), ("CoarsePepper", 0.0)])
def test_specks_are_grey_rectangles_over_about_p_of_the_area(name: str, level: float) -> None:
    scene = Scene(torch.full((64, 1, 1, 3, *NET_HW), 0.5), *_nothing(64))
    images = change(scene, name, p=0.05, size_percent=0.25)[:, 0, 0]
    hit = (images - 0.5).abs() > 1e-6
    assert hit.float().mean() == pytest.approx(0.05, abs=0.005)
    assert torch.equal(images[:, 0], images[:, 2])
    assert ((images[hit] - level).abs() <= 0.5).all()
    assert set(blocks(hit[0, 0]).tolist()) <= set(range(0, NET_HW[1], 4))  # cells of 4 pixels


def test_dropout_is_black_over_p_of_the_area_and_nothing_else_changes() -> None:
    scene = noise_scene(n=64)
    images = change(scene, "CoarseDropout", p=0.1, size_percent=0.25, per_channel=0.5)
    same = images == scene.images
    assert (images[~same] == 0.0).all()
    assert (~same).float().mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("per_channel", "together"), [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
def test_dropout_hits_colours_together_or_each_on_its_own(
    per_channel: float, together: float
) -> None:
    scene = Scene(torch.ones(200, 1, 1, 3, *NET_HW), *_nothing(200))
    images = change(scene, "CoarseDropout", p=0.1, per_channel=per_channel)[:, 0, 0]
    alike = (images[:, 0] == images[:, 1]).flatten(1).all(1)
    assert alike.float().mean() == pytest.approx(together, abs=0.12)


def test_motion_blur_smears_a_point_along_a_line_of_k_pixels() -> None:
    images = torch.zeros(1, 1, 1, 3, *NET_HW)
    images[..., 40, 60] = 1.0
    scene = Scene(images, *_nothing(1))
    blurred = change(scene, "MotionBlur", k=7, angle=0)[0, 0, 0, 0]
    expected = torch.zeros(NET_HW)
    expected[40, 57:64] = 1 / 7
    torch.testing.assert_close(blurred, expected)


def test_gaussian_blur_has_the_width_it_says() -> None:
    images = torch.zeros(1, 1, 1, 3, *NET_HW)
    images[..., 40, 60] = 1.0
    line = change(Scene(images, *_nothing(1)), "GaussianBlur", sigma=2)[0, 0, 0, 0].sum(0)
    variance = (line * (torch.arange(NET_HW[1]) - 60.0) ** 2).sum()
    assert variance.sqrt() == pytest.approx(2.0, abs=0.05)


def test_emboss_is_imgaugs_formula_and_leaves_flat_areas_alone() -> None:
    images = torch.full((1, 1, 1, 3, *NET_HW), 0.4)
    images[..., 40, 60] = 0.5
    embossed = change(Scene(images, *_nothing(1)), "Emboss", alpha=0.5, strength=1)[0, 0, 0, 0]
    # Correlation with E of strength 1 puts the mirrored filter around the lit pixel.
    effect = torch.tensor([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]).flip(0, 1)
    unchanged = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    expected = torch.full(NET_HW, 0.4)
    expected[39:42, 59:62] += 0.1 * (0.5 * effect + 0.5 * unchanged)
    torch.testing.assert_close(embossed, expected)


def test_multiply_and_contrast_are_what_they_say() -> None:
    scene = noise_scene()
    doubled = (2 * scene.images).clamp(max=1)
    torch.testing.assert_close(change(scene, "Multiply", mul=2), doubled)
    flat = 0.5 + 0.5 * (scene.images - 0.5)
    torch.testing.assert_close(change(scene, "LinearContrast", alpha=0.5), flat)


def test_crop_and_pad_moves_the_four_edges_independently() -> None:
    motion = CropAndPad().draw(np.random.default_rng(0), 20_000)
    size = 2.0 / motion.frame[:, [0, 1], [0, 1]]
    middle = -motion.frame[:, :, 2] * size / 2.0
    edges = np.concatenate([1 - size / 2 + middle, size / 2 + middle - 1], 1) / 2  # low, high
    edges[:, :2] *= -1
    assert np.abs(edges).max() <= 0.15
    assert np.abs(np.corrcoef(edges.T) - np.eye(4)).max() < 0.03


def test_elastic_field_has_the_covariance_of_filtered_white_noise() -> None:
    sigma, alpha, n = 5.0, 10.0, 400
    elastic = ElasticTransformation(alpha=(alpha, alpha), sigma=sigma)
    drawn = elastic.draw(np.random.default_rng(0), n, (60, 70))
    field = elastic.at_pixels({"noise": torch.from_numpy(drawn["noise"])}, (60, 70))
    rms = alpha / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma)
    variance = field.square().mean((0, 1))
    assert variance.sqrt().mean() == pytest.approx(rms, rel=0.02)
    assert variance[:3].sqrt().mean() == pytest.approx(rms, rel=0.1)  # no fading at the edge
    at_lag = (field[..., 7:] * field[..., :-7]).mean() / variance.mean()
    assert at_lag == pytest.approx(np.exp(-(7**2) / (4 * sigma**2)), abs=0.03)


def test_elastic_field_is_the_same_at_pixels_and_at_points() -> None:
    elastic = ElasticTransformation()
    drawn = elastic.draw(np.random.default_rng(0), 3, (20, 30))
    draws = {"noise": torch.from_numpy(drawn["noise"])}
    columns, rows = torch.meshgrid(torch.arange(30.0), torch.arange(20.0), indexing="xy")
    points = torch.stack([columns, rows], -1).view(1, -1, 2).expand(3, -1, 2)
    by_pixel = elastic.at_pixels(draws, (20, 30)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(elastic.at_points(draws, points), by_pixel)


def _nothing(n: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(n, 1, 1, 2), torch.eye(2, 3).expand(n, 1, 2, 3)
