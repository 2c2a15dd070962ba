"""Affine maps, against homogeneous matrices, resampling by torch and blobs drawn in pixels."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lightning_pose.ops import affine as module
from lightning_pose.ops.affine import (
    affine_about,
    apply_affine,
    compose_affine,
    crop_resize_affine,
    invert_affine,
    resize_affine,
    sample_images,
    sampling_points,
    warp,
)


def some_maps(*batch: int, seed: int = 0) -> Tensor:
    """Return maps that are well away from singular."""
    rng = torch.Generator().manual_seed(seed)
    linear = torch.eye(2) + 0.3 * torch.randn(*batch, 2, 2, generator=rng)
    return torch.cat([linear, 20.0 * torch.randn(*batch, 2, 1, generator=rng)], -1)


def homogeneous(affine: Tensor) -> np.ndarray:
    below = np.broadcast_to([0.0, 0.0, 1.0], (*affine.shape[:-2], 1, 3))
    return np.concatenate([affine.double().numpy(), below], -2)


def blob(x: float, y: float, *, height: int = 80, width: int = 90, sigma: float = 2.0) -> Tensor:
    rows = torch.arange(height, dtype=torch.float64)[:, None]
    columns = torch.arange(width, dtype=torch.float64)
    square = (columns - x) ** 2 + (rows - y) ** 2
    return torch.exp(-square / (2 * sigma**2)).float()[None, None]


def centroid(image: Tensor) -> tuple[float, float]:
    image = image[0, 0].double()
    x = (image.sum(0) * torch.arange(image.shape[1])).sum() / image.sum()
    y = (image.sum(1) * torch.arange(image.shape[0])).sum() / image.sum()
    return x.item(), y.item()


def test_every_example_in_the_module_is_true() -> None:
    assert doctest.testmod(module).failed == 0


def test_resize_keeps_the_edges_of_the_image_in_place() -> None:
    edges = torch.tensor([[-0.5, -0.5], [639.5, 479.5]])
    moved = apply_affine(resize_affine((480, 640), (256, 384)), edges)
    torch.testing.assert_close(moved, torch.tensor([[-0.5, -0.5], [383.5, 255.5]]))


@pytest.mark.parametrize("net_hw", [(20, 90), (40, 30), (33, 71)])
def test_resize_says_where_torch_reads_each_pixel(net_hw: tuple[int, int]) -> None:
    image_hw = (20, 30)
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    where = torch.stack([columns, rows])[None]
    read = functional.interpolate(where, size=net_hw, mode="bilinear", align_corners=False)
    to_image = invert_affine(resize_affine(image_hw, net_hw))
    said = sampling_points(to_image[None], net_hw)
    said = torch.stack([said[:, 0].clamp(0, 29), said[:, 1].clamp(0, 19)], 1)
    torch.testing.assert_close(said, read, atol=1e-4, rtol=0)


def test_box_is_cut_before_it_is_resized() -> None:
    boxes = torch.tensor([[10.0, 20.0, 40.0, 80.0], [-5.0, 0.0, 64.0, 64.0]])
    to_net = crop_resize_affine(boxes, (64, 64))
    corners = torch.stack([boxes[:, :2], boxes[:, :2] + boxes[:, [3, 2]]], 1) - 0.5
    expected = torch.tensor([[-0.5, -0.5], [63.5, 63.5]]).expand(2, 2, 2)
    torch.testing.assert_close(apply_affine(to_net, corners), expected, atol=1e-5, rtol=0)


def test_compose_is_the_product_of_homogeneous_matrices() -> None:
    outer, inner = some_maps(3, 1, seed=1), some_maps(4, seed=2)
    joined = compose_affine(outer, inner)
    expected = homogeneous(outer) @ homogeneous(inner)
    assert joined.shape == (3, 4, 2, 3)
    np.testing.assert_allclose(homogeneous(joined), expected, atol=1e-4)


def test_invert_is_the_inverse_of_the_homogeneous_matrix() -> None:
    maps = some_maps(50)
    expected = np.linalg.inv(homogeneous(maps))
    np.testing.assert_allclose(homogeneous(invert_affine(maps)), expected, rtol=1e-4, atol=1e-4)


def test_apply_is_the_homogeneous_product_for_every_leading_axis() -> None:
    maps, points = some_maps(3, 2), 100.0 * torch.randn(3, 2, 7, 2)
    column = np.concatenate([points.double().numpy(), np.ones((3, 2, 7, 1))], -1)[..., None]
    expected = (homogeneous(maps)[:, :, None] @ column)[..., :2, 0]
    np.testing.assert_allclose(apply_affine(maps, points).numpy(), expected, atol=1e-3)


def test_apply_keeps_missing_points_missing() -> None:
    points = torch.tensor([[1.0, 2.0], [torch.nan, torch.nan]])
    moved = apply_affine(some_maps(), points)
    assert moved.isnan().tolist() == [[False, False], [True, True]]


def test_about_leaves_the_centre_in_place() -> None:
    linear, center = some_maps(5)[..., :2], 50.0 * torch.randn(5, 2)
    moved = apply_affine(affine_about(linear, center), center[:, None])
    torch.testing.assert_close(moved[:, 0], center, atol=1e-4, rtol=0)


def test_autocast_does_not_round_coordinates() -> None:
    maps, points = some_maps(4), 1000.0 * torch.rand(4, 6, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = apply_affine(compose_affine(maps, invert_affine(maps)), points)
    torch.testing.assert_close(rounded, points, atol=0.01, rtol=0)


def test_warp_by_the_identity_changes_nothing() -> None:
    images = torch.rand(2, 3, 31, 18)
    same = warp(images, torch.eye(2, 3).expand(2, 2, 3), (31, 18))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_warp_is_black_outside_the_source() -> None:
    away = torch.tensor([[[1.0, 0.0, 100.0], [0.0, 1.0, 0.0]]])
    assert warp(torch.ones(1, 1, 10, 10), away, (10, 10)).max() == 0


@pytest.mark.parametrize(
    ("degrees", "zoom", "shift"),
    [
        (0.0, 1.0, (7.3, -4.6)),
        (25.0, 1.0, (3.0, 2.0)),
        (-70.0, 0.75, (1.2, 9.9)),
        (180.0, 1.4, (0.0, 0.0)),
    ],
)
def test_warp_puts_a_blob_where_the_inverse_map_says(
    degrees: float, zoom: float, shift: tuple[float, float]
) -> None:
    angle = torch.deg2rad(torch.tensor(degrees))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2) / zoom
    out_to_source = affine_about(turn, torch.tensor([45.0, 40.0]))
    out_to_source[:, 2] += torch.tensor(shift)
    place = (51.37, 36.81)
    moved = warp(blob(*place), out_to_source[None], (100, 110))
    expected = apply_affine(invert_affine(out_to_source), torch.tensor([place]))[0].tolist()
    assert centroid(moved) == pytest.approx(expected, abs=0.02)


def test_gradients_are_those_of_finite_differences() -> None:
    maps = some_maps(2).double().requires_grad_()
    other = some_maps(2, seed=5).double().requires_grad_()
    points = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[1.0, 2.0, 30.0, 40.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(apply_affine, (maps, points))
    assert torch.autograd.gradcheck(compose_affine, (maps, other))
    assert torch.autograd.gradcheck(invert_affine, (maps,))
    assert torch.autograd.gradcheck(affine_about, (maps[..., :2], points[:, 0]))
    assert torch.autograd.gradcheck(lambda b: crop_resize_affine(b, (8, 9)), (boxes,))
    assert torch.autograd.gradcheck(lambda m: sampling_points(m, (3, 4)), (maps,))


def test_gradients_reach_images_and_places_they_are_read_at() -> None:
    images = torch.rand(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    places = torch.rand(1, 2, 2, 3, dtype=torch.float64) * 2.8 + 0.6
    assert torch.autograd.gradcheck(sample_images, (images, places.requires_grad_()))
