"""Heatmaps against numbers computed another way: sums by hand, scipy, and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from lightning_pose.ops.heatmaps import (
    heatmap_to_net,
    locate_peaks,
    net_to_heatmap,
    peak_mass,
    render_heatmaps,
    soft_argmax,
    spatial_softmax,
)

FACTORS = (1, 2, 3)
NAN = math.nan


def random_points(net_hw: tuple[int, int], *, count: int = 500, seed: int = 0) -> Tensor:
    """Return points anywhere in the picture, its very edges and corners included."""
    height, width = net_hw
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))
    points = points * torch.tensor([width, height]) - 0.5
    points[0], points[1] = torch.tensor([-0.5, -0.5]), torch.tensor([width - 0.5, height - 0.5])
    points[2], points[3] = torch.tensor([-0.5, height - 0.5]), torch.tensor([0.0, height / 2])
    return points


def border_distance(points: Tensor, map_hw: tuple[int, int]) -> Tensor:
    """Return how far points are from the outermost pixel centres of a map."""
    last = torch.tensor([map_hw[1] - 1, map_hw[0] - 1])
    return torch.minimum(points, last - points).amin(-1)


class TestFrames:
    @pytest.mark.parametrize("factor", FACTORS)
    def test_edges_of_the_picture_are_edges_of_the_map(self, factor: int) -> None:
        edges = torch.tensor([[-0.5, -0.5], [63.5, 127.5]])
        on_map = net_to_heatmap(edges, factor=factor)
        expected = [[-0.5, -0.5], [64 / 2**factor - 0.5, 128 / 2**factor - 0.5]]
        assert on_map.tolist() == expected

    @pytest.mark.parametrize("factor", FACTORS)
    def test_there_and_back_is_the_identity(self, factor: int) -> None:
        points = random_points((64, 128))
        back = heatmap_to_net(net_to_heatmap(points, factor=factor), factor=factor)
        torch.testing.assert_close(back, points)


class TestRender:
    def test_a_map_is_the_gaussian_that_scipy_computes(self) -> None:
        point = torch.tensor([[37.2, 21.9]])
        drawn = render_heatmaps(point, net_hw=(48, 64), factor=1, sigma=1.7)[0]
        columns, rows = np.meshgrid(np.arange(32), np.arange(24))
        center = ((point[0] + 0.5) / 2 - 0.5).numpy()
        density = multivariate_normal(center, 1.7**2).pdf(np.dstack([columns, rows]))
        np.testing.assert_allclose(drawn.numpy(), density / density.sum(), atol=1e-6)

    @pytest.mark.parametrize("factor", FACTORS)
    def test_maps_of_points_in_the_picture_sum_to_one(self, factor: int) -> None:
        maps = render_heatmaps(random_points((64, 96)), net_hw=(64, 96), factor=factor)
        assert maps.shape[-2:] == (64 >> factor, 96 >> factor)
        torch.testing.assert_close(maps.sum((-2, -1)), torch.ones(500))

    def test_a_missing_point_gives_a_uniform_map_or_none(self) -> None:
        points = torch.tensor([[NAN, NAN], [NAN, 3.0], [3.0, 3.0]])
        uniform = render_heatmaps(points, net_hw=(16, 32), factor=2)
        zeros = render_heatmaps(points, net_hw=(16, 32), factor=2, uniform_for_missing=False)
        assert torch.equal(uniform[:2], torch.full((2, 4, 8), 1 / 32))
        assert torch.equal(zeros[:2], torch.zeros(2, 4, 8))
        assert torch.equal(uniform[2], zeros[2])

    @pytest.mark.parametrize("point", [(-0.6, 5.0), (32.0, 5.0), (5.0, 15.6), (-900.0, 1e6)])
    def test_a_point_outside_the_picture_gives_zeros(self, point: tuple[float, float]) -> None:
        maps = render_heatmaps(torch.tensor([point]), net_hw=(16, 32), factor=2)
        assert torch.equal(maps, torch.zeros(1, 4, 8))

    def test_leading_axes_and_precision_are_kept(self) -> None:
        points = random_points((16, 16), count=24).double().unflatten(0, (2, 3, 4))
        maps = render_heatmaps(points, net_hw=(16, 16), factor=1)
        assert maps.shape == (2, 3, 4, 8, 8)
        assert maps.dtype == torch.float64
        assert render_heatmaps(points.bfloat16(), net_hw=(16, 16), factor=1).dtype == torch.float32


class TestSoftArgmax:
    @pytest.mark.parametrize("net_hw", [(64, 64), (64, 128), (256, 256)])
    @pytest.mark.parametrize("factor", FACTORS)
    def test_a_rendered_gaussian_is_found_at_its_exact_place(
        self, net_hw: tuple[int, int], factor: int
    ) -> None:
        points = random_points(net_hw)
        found = soft_argmax(render_heatmaps(points, net_hw=net_hw, factor=factor))
        exact = net_to_heatmap(points, factor=factor)
        error = (found - exact).norm(dim=-1)
        distance = border_distance(exact, (net_hw[0] >> factor, net_hw[1] >> factor))
        assert error[distance >= 3].max() < 0.05 if (distance >= 3).any() else True
        assert error[distance < 3].max() < 0.15
        assert error.max() < 1e-4

    @pytest.mark.parametrize("factor", FACTORS)
    def test_there_is_no_bias_in_network_pixels(self, factor: int) -> None:
        points = random_points((128, 128), count=2000)
        maps = render_heatmaps(points, net_hw=(128, 128), factor=factor)
        bias = (heatmap_to_net(soft_argmax(maps), factor=factor) - points).mean(0)
        assert bias.abs().max() < 1e-3

    @pytest.mark.parametrize("radius", [1, 2, 4, 6])
    @pytest.mark.parametrize("sigma", [0.8, 1.25, 2.5])
    def test_any_window_gives_the_same_place(self, radius: int, sigma: float) -> None:
        points = random_points((64, 64))
        maps = render_heatmaps(points, net_hw=(64, 64), factor=1, sigma=sigma)
        found = soft_argmax(maps, sigma=sigma, radius=radius)
        assert (found - net_to_heatmap(points, factor=1)).norm(dim=-1).max() < 0.02

    def test_a_peak_wider_or_narrower_than_expected_is_found_as_well(self) -> None:
        points = random_points((128, 128))
        exact = net_to_heatmap(points, factor=1)
        inner = border_distance(exact, (64, 64)) >= 6
        for sigma in (0.9, 1.6, 2.0):
            maps = render_heatmaps(points, net_hw=(128, 128), factor=1, sigma=sigma)
            error = (soft_argmax(maps) - exact).norm(dim=-1)
            assert error[inner].max() < 0.35
            assert error[inner].mean() < 0.5 * argmax_error(maps, exact)[inner].mean()

    def test_another_lower_peak_has_no_say(self) -> None:
        maps = render_heatmaps(
            torch.tensor([[20.3, 30.8], [90.0, 90.0]]), net_hw=(128, 128), factor=1
        )
        alone, mixed = soft_argmax(torch.stack([maps[0], 0.6 * maps[0] + 0.4 * maps[1]]))
        torch.testing.assert_close(mixed, alone, atol=1e-5, rtol=0)

    def test_noise_and_a_floor_hurt_it_less_than_the_argmax(self) -> None:
        points = random_points((128, 128), count=1000)
        exact = net_to_heatmap(points, factor=1)
        clean = render_heatmaps(points, net_hw=(128, 128), factor=1)
        noise = torch.rand(clean.shape, generator=torch.Generator().manual_seed(1))
        for strength in (0.002, 0.01, 0.03):
            maps = clean + strength * noise
            soft = (soft_argmax(maps) - exact).norm(dim=-1).mean()
            assert soft < 0.6 * argmax_error(maps, exact).mean()

    def test_it_stays_in_the_picture(self) -> None:
        corner = torch.zeros(1, 8, 8)
        corner[0, 0, 7] = 1.0
        assert soft_argmax(corner).tolist() == [[7.5, -0.5]]

    @pytest.mark.parametrize("fill", [0.0, 1.0 / 64])
    def test_empty_and_uniform_maps_give_finite_places_and_gradients(self, fill: float) -> None:
        maps = torch.full((2, 8, 8), fill, requires_grad=True)
        places, mass = locate_peaks(maps)
        (places.sum() + mass.sum()).backward()
        assert places.isfinite().all()
        assert maps.grad is not None
        assert maps.grad.isfinite().all()

    def test_the_scale_of_a_map_does_not_matter(self) -> None:
        maps = render_heatmaps(random_points((64, 64)), net_hw=(64, 64), factor=1)
        torch.testing.assert_close(soft_argmax(1e-3 * maps), soft_argmax(maps))

    def test_gradients_are_those_of_finite_differences(self) -> None:
        points = torch.tensor([[13.2, 17.7], [9.6, 22.1]], dtype=torch.float64)
        maps = render_heatmaps(points, net_hw=(32, 32), factor=1)
        noise = torch.rand(maps.shape, generator=torch.Generator().manual_seed(0)).double()
        maps = (maps + 1e-3 * noise).requires_grad_()
        assert torch.autograd.gradcheck(soft_argmax, (maps,), atol=1e-4)
        assert torch.autograd.gradcheck(peak_mass, (maps,), atol=1e-4)

    def test_descending_the_gradient_moves_a_peak_to_its_goal(self) -> None:
        start, goal = torch.tensor([[20.0, 20.0]]), torch.tensor([11.0, 8.6])
        scores = render_heatmaps(start, net_hw=(40, 40), factor=1).log().requires_grad_()
        optimizer = torch.optim.Adam([scores], lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            (soft_argmax(spatial_softmax(scores)) - goal).square().sum().backward()
            optimizer.step()
        found = soft_argmax(spatial_softmax(scores))[0]
        assert (found - goal).norm() < 0.1


class TestPeakMass:
    @pytest.mark.parametrize("factor", FACTORS)
    def test_a_rendered_gaussian_is_certain_anywhere(self, factor: int) -> None:
        points = random_points((128, 128))
        assert peak_mass(render_heatmaps(points, net_hw=(128, 128), factor=factor)).min() > 0.99

    def test_equal_peaks_share_the_confidence(self) -> None:
        points = torch.tensor([[20.0, 20.0], [60.0, 60.0], [20.0, 100.0]])
        maps = render_heatmaps(points, net_hw=(128, 128), factor=1)
        assert peak_mass(maps.mean(0, keepdim=True)).item() == pytest.approx(1 / 3, abs=0.01)

    def test_a_uniform_map_has_next_to_none_and_an_empty_one_none(self) -> None:
        uniform = torch.full((1, 64, 64), 1 / 64**2)
        assert peak_mass(uniform).item() < 0.02
        assert peak_mass(torch.zeros(1, 64, 64)).item() == 0

    def test_a_peak_of_the_wrong_shape_costs_confidence(self) -> None:
        point = torch.tensor([[40.3, 40.9]])
        by_width = [
            peak_mass(render_heatmaps(point, net_hw=(128, 128), factor=1, sigma=sigma)).item()
            for sigma in (0.7, 1.25, 1.6, 2.5)
        ]
        assert by_width[1] > 0.99
        assert max(by_width[0], by_width[2]) < 0.85
        assert by_width[3] < 0.6

    def test_it_is_the_overlap_of_the_map_with_its_ideal_peak(self) -> None:
        points = random_points((64, 64), count=50)
        maps = render_heatmaps(points, net_hw=(64, 64), factor=1, sigma=1.6)
        places = heatmap_to_net(soft_argmax(maps), factor=1)
        ideal = render_heatmaps(places, net_hw=(64, 64), factor=1)
        overlap = torch.minimum(maps, ideal).sum((-2, -1))
        torch.testing.assert_close(peak_mass(maps), overlap, atol=0.01, rtol=0)


class TestSpatialSoftmax:
    def test_it_is_softmax_over_all_pixels_in_32_bits(self) -> None:
        scores = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        expected = np.exp(scores.double().numpy())
        expected /= expected.sum((-2, -1), keepdims=True)
        np.testing.assert_allclose(spatial_softmax(scores).numpy(), expected, rtol=1e-5)
        assert spatial_softmax(scores.bfloat16()).dtype == torch.float32

    def test_a_higher_temperature_flattens(self) -> None:
        scores = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0))
        hot, cold = (spatial_softmax(scores, temperature=t).max() for t in (4.0, 0.5))
        assert hot < spatial_softmax(scores).max() < cold

    def test_gradients_are_those_of_finite_differences(self) -> None:
        scores = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(spatial_softmax, (scores,))


def test_autocast_does_not_shorten_coordinates() -> None:
    points = random_points((256, 256))
    maps = render_heatmaps(points, net_hw=(256, 256), factor=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = soft_argmax(maps)
    assert (found - net_to_heatmap(points, factor=2)).norm(dim=-1).max() < 1e-3


def argmax_error(maps: Tensor, exact: Tensor) -> Tensor:
    """Return how far the highest pixel is from the exact place."""
    index = maps.flatten(-2).argmax(-1)
    places = torch.stack([index % maps.shape[-1], index // maps.shape[-1]], -1)
    return (places - exact).norm(dim=-1)
