"""The pose losses against numpy's own decomposition, and what they refuse.

Labels are far from 0, vary in few directions, and miss points, as real ones do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ConfigError, DataError, ModelError
from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.factory import LossFactory, build_loss
from lightning_pose.losses.pca import PCALoss, distance_from_subspace
from lightning_pose.losses.pca_singleview import median_point

NAN = float("nan")
MIRROR = LossBasis(matched_columns=[[0, 1, 2], [4, 5, 3]])


def poses(number: int, *, seed: int, keypoints: int = 6) -> np.ndarray:
    """Return poses that vary in three wide directions, and half a pixel in all."""
    fixed, rng = np.random.default_rng(99), np.random.default_rng(seed)
    mean = fixed.uniform(100, 900, size=2 * keypoints)
    directions = fixed.normal(size=(3, 2 * keypoints))
    rows = mean + (rng.normal(size=(number, 3)) * [40, 20, 10]) @ directions
    return (rows + rng.normal(scale=0.5, size=rows.shape)).reshape(number, keypoints, 2)


def with_gaps(labels: np.ndarray, *, seed: int = 5) -> np.ndarray:
    gappy = labels.copy()
    gappy[np.random.default_rng(seed).random(labels.shape[:2]) < 0.06] = NAN
    return gappy


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


def fitted(
    name: str, labels: np.ndarray, basis: LossBasis | None = None, **settings: Any
) -> PCALoss:
    loss = build_loss(name, settings, basis=basis)
    loss.fit(tensor(labels))
    assert isinstance(loss, PCALoss)
    return loss


def value(loss: PCALoss, predictions: np.ndarray) -> float:
    return loss(keypoints_pred=tensor(predictions)).item()


def by_numpy(
    rows: np.ndarray, new_rows: np.ndarray, *, keep: int | float, epsilon: float | None = None
) -> float:
    """Return the loss of flattened poses, from the eigenvectors of the covariance."""
    complete = rows[np.isfinite(rows).all(axis=1)]
    mean = complete.mean(axis=0)
    widths, vectors = np.linalg.eigh(np.cov(complete.T))
    widths, vectors = widths[::-1], vectors[:, ::-1]
    share = np.cumsum(widths) / widths.sum()
    number = keep if isinstance(keep, int) else int(np.searchsorted(share, keep)) + 1
    outside = vectors[:, number:] @ vectors[:, number:].T

    def distance(poses: np.ndarray) -> np.ndarray:
        return np.linalg.norm(((poses - mean) @ outside).reshape(len(poses), -1, 2), axis=-1)

    if epsilon is None:
        epsilon = float(np.percentile(distance(complete), 99))
    return float(np.maximum(distance(new_rows) - epsilon, 0).mean())


def flat(labels: np.ndarray) -> np.ndarray:
    return labels.reshape(len(labels), -1)


def off(predictions: np.ndarray, *, by: float = 6.0) -> np.ndarray:
    return predictions + np.random.default_rng(7).normal(scale=by, size=predictions.shape)


@pytest.mark.parametrize("keep", [0.99, 0.999, 3, 5])
@pytest.mark.parametrize("epsilon", [None, 0.0, 4.0])
def test_singleview_value_equals_the_one_numpy_gives(
    keep: int | float, epsilon: float | None
) -> None:
    labels, predictions = with_gaps(poses(80, seed=0)), off(poses(10, seed=1))
    loss = fitted("pca_singleview", labels, components_to_keep=keep, epsilon=epsilon)
    expected = by_numpy(flat(labels), flat(predictions), keep=keep, epsilon=epsilon)
    assert value(loss, predictions) == pytest.approx(expected, rel=1e-3)
    assert expected > 0.1


def test_singleview_looks_at_the_chosen_columns_only() -> None:
    labels, predictions = poses(80, seed=0), off(poses(10, seed=1))
    labels[:, 2] = NAN  # never labelled
    columns = [5, 0, 1, 3]
    loss = fitted("pca_singleview", labels, LossBasis(singleview_columns=columns))
    expected = by_numpy(flat(labels[:, columns]), flat(predictions[:, columns]), keep=0.99)
    assert value(loss, predictions) == pytest.approx(expected, rel=1e-3)
    moved = predictions.copy()
    moved[:, [2, 4]] += 500
    assert value(loss, moved) == pytest.approx(value(loss, predictions), rel=1e-5)


@pytest.mark.parametrize("centering", ["mean", "median"])
@pytest.mark.parametrize("keypoints", [5, 6])
def test_centering_takes_a_centre_off_each_pose(centering: str, keypoints: int) -> None:
    center = getattr(np, centering)
    labels = poses(80, seed=0, keypoints=keypoints)
    labels += np.random.default_rng(3).uniform(-300, 300, size=(80, 1, 2))
    predictions = off(poses(10, seed=1, keypoints=keypoints))
    loss = fitted("pca_singleview", labels, centering=centering, components_to_keep=4)
    rows = [flat(a - center(a, axis=1, keepdims=True)) for a in (labels, predictions)]
    assert value(loss, predictions) == pytest.approx(by_numpy(*rows, keep=4), rel=1e-3)
    elsewhere = predictions + np.array([200.0, -100.0])
    assert value(loss, elsewhere) == pytest.approx(value(loss, predictions), rel=1e-3)


def test_the_median_of_equal_points_is_that_point() -> None:
    points = torch.tensor([[2.0, 1.0], [2.0, 5.0], [2.0, 5.0], [2.0, 9.0]])
    torch.testing.assert_close(median_point(points), torch.tensor([[2.0, 5.0]]))


def test_several_cameras_have_a_subspace_each() -> None:
    labels = np.concatenate([poses(60, seed=0), with_gaps(poses(60, seed=2)) * 0.5], axis=1)
    new = off(np.concatenate([poses(9, seed=1), poses(9, seed=3) * 0.5], axis=1))
    columns = [4, 0, 2]
    basis = LossBasis(num_views=2, singleview_columns=columns)
    loss = fitted("pca_singleview", labels, basis, components_to_keep=0.995)
    views = [np.asarray(columns), np.asarray(columns) + 6]
    expected = [by_numpy(flat(labels[:, v]), flat(new[:, v]), keep=0.995) for v in views]
    assert value(loss, new) == pytest.approx(np.mean(expected), rel=1e-3)


@pytest.mark.parametrize("keep", [3, 0.999])
def test_multiview_value_equals_the_one_numpy_gives(keep: int | float) -> None:
    labels, predictions = with_gaps(two_views(40, seed=0)), off(two_views(10, seed=1), by=9.0)
    loss = fitted("pca_multiview", labels, MIRROR, components_to_keep=keep)
    rows = [
        np.concatenate(
            [np.concatenate([a[:, one], a[:, other]], axis=1) for one, other in MATCHED]
        )
        for a in (labels, predictions)
    ]
    assert value(loss, predictions) == pytest.approx(by_numpy(*rows, keep=keep), rel=1e-3)
    assert value(loss, predictions) > 0.1


MATCHED = [(0, 4), (1, 5), (2, 3)]


def two_views(number: int, *, seed: int) -> np.ndarray:
    """Return three points in space seen by two cameras (numbers 0, 1, 2 and 4, 5, 3)."""
    fixed, rng = np.random.default_rng(1), np.random.default_rng(seed)
    space = rng.normal(scale=100, size=(number, 3, 3)) + fixed.normal(scale=50, size=(3, 3))
    views = [space @ fixed.normal(size=(3, 2)) + 400 for _ in range(2)]
    picture = np.empty((number, 6, 2))
    for part, (one, other) in enumerate(MATCHED):
        picture[:, one], picture[:, other] = views[0][:, part], views[1][:, part]
    return picture + rng.normal(scale=0.3, size=picture.shape)


def test_several_cameras_match_keypoint_by_keypoint() -> None:
    labels, predictions = two_views(40, seed=0), off(two_views(10, seed=1))
    mirrored = fitted("pca_multiview", labels, MIRROR)
    order = [0, 1, 2, 4, 5, 3]  # the views side by side
    cameras = fitted("pca_multiview", labels[:, order], LossBasis(num_views=2))
    assert value(cameras, predictions[:, order]) == pytest.approx(value(mirrored, predictions))


def test_columns_of_several_cameras_count_within_each() -> None:
    labels, predictions = two_views(40, seed=0), off(two_views(10, seed=1))
    mirrored = fitted("pca_multiview", labels, LossBasis(matched_columns=[[0, 2], [4, 3]]))
    order = [0, 1, 2, 4, 5, 3]
    basis = LossBasis(num_views=2, matched_columns=[[0, 2], [0, 2]])
    cameras = fitted("pca_multiview", labels[:, order], basis)
    assert value(cameras, predictions[:, order]) == pytest.approx(value(mirrored, predictions))


def test_cameras_and_lists_must_be_equally_many() -> None:
    basis = LossBasis(num_views=3, matched_columns=[[0], [0]])
    with pytest.raises(ConfigError, match="has 2 lists, but there are 3 cameras"):
        build_loss("pca_multiview", basis=basis)


@pytest.mark.parametrize("name", ["pca_singleview", "pca_multiview"])
def test_poses_like_the_labels_cost_next_to_nothing(name: str) -> None:
    loss = fitted(name, two_views(200, seed=0), MIRROR)
    assert value(loss, two_views(50, seed=1)) < 0.01 < value(loss, off(two_views(50, seed=1)))


def test_too_few_complete_frames_are_refused_with_both_numbers() -> None:
    labels = poses(30, seed=0)
    labels[11:, 2] = NAN
    message = r"pca_singleview of 6 keypoints needs at least 12 .* and has 11\."
    with pytest.raises(DataError, match=message):
        fitted("pca_singleview", labels)


def test_one_keypoint_is_spoken_of_as_one() -> None:
    with pytest.raises(
        DataError, match=r"pca_singleview of 1 keypoint needs at least 2 .* has 1\."
    ):
        fitted("pca_singleview", poses(1, seed=0), LossBasis(singleview_columns=[0]))


def test_the_view_with_too_few_complete_frames_is_named() -> None:
    labels = np.concatenate([poses(30, seed=0), poses(30, seed=1)], axis=1)
    labels[5:, 7] = NAN
    with pytest.raises(DataError, match=r"6 keypoints in view 2 needs at least 12 .* has 5\."):
        fitted("pca_singleview", labels, LossBasis(num_views=2))


def test_too_few_matched_points_are_refused_with_both_numbers() -> None:
    labels = two_views(20, seed=0)
    labels[1:, 4:] = NAN
    labels[1:, 3] = NAN
    message = r"pca_multiview of 2 views needs at least 4 .* and has 3\."
    with pytest.raises(DataError, match=message):
        fitted("pca_multiview", labels, MIRROR)


@pytest.mark.parametrize(
    ("centering", "keep", "free"), [(None, 12, 12), ("mean", 10, 10), ("mean", 0.9999999, 10)]
)
def test_keeping_everything_is_refused(
    centering: str | None, keep: int | float, free: int
) -> None:
    with pytest.raises(DataError, match=f"would keep all {free} components"):
        fitted("pca_singleview", poses(80, seed=0), centering=centering, components_to_keep=keep)


def test_two_points_about_their_median_have_two_directions() -> None:
    basis, two = LossBasis(singleview_columns=[0, 1]), {"components_to_keep": 2}
    for centering in ("mean", "median"):
        with pytest.raises(DataError, match="would keep all 2 components"):
            fitted("pca_singleview", poses(80, seed=0), basis, centering=centering, **two)


@pytest.mark.parametrize("keep", [0, -2, 1.0, 3.0, 0.0])
def test_a_number_of_components_that_is_no_count_or_share_is_refused(keep: int | float) -> None:
    with pytest.raises(ConfigError, match=f"components_to_keep is {keep}; it must be a whole"):
        build_loss("pca_singleview", {"components_to_keep": keep})


def test_an_epsilon_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"epsilon must be pixels, 0 or more, or null, got -1"):
        build_loss("pca_singleview", {"epsilon": -1.0})


def test_multiview_without_a_second_view_is_refused_when_built() -> None:
    with pytest.raises(ConfigError, match=r"Set data\.mirrored_column_matches for views"):
        build_loss("pca_multiview")


@pytest.mark.parametrize("matches", [[[0, 1]], [[0, 1], [2]], [[], []]])
def test_matches_that_do_not_match_are_refused_when_built(matches: list[list[int]]) -> None:
    with pytest.raises(ConfigError, match="for each of two or more views, the same body parts"):
        build_loss("pca_multiview", basis=LossBasis(matched_columns=matches))


def test_a_column_that_is_no_keypoint_is_named() -> None:
    with pytest.raises(ConfigError, match=r"singleview_pca has 6, 7, but there are 6 keypoints"):
        fitted("pca_singleview", poses(80, seed=0), LossBasis(singleview_columns=[0, 6, 7]))
    with pytest.raises(ConfigError, match="mirrored_column_matches has 9, but there are 6"):
        fitted("pca_multiview", poses(80, seed=0), LossBasis(matched_columns=[[0, 1], [2, 9]]))


def test_a_loss_that_has_learnt_nothing_says_so() -> None:
    with pytest.raises(ModelError, match="PCASingleviewLoss has not learnt from labels yet"):
        build_loss("pca_singleview")(keypoints_pred=torch.zeros(2, 6, 2))


def test_what_was_learnt_is_loaded_by_a_factory_that_was_never_fitted() -> None:
    labels, predictions = two_views(40, seed=0), tensor(off(two_views(10, seed=1)))
    names = ("pca_singleview", "pca_multiview", "temporal")
    factories = [LossFactory({n: build_loss(n, basis=MIRROR) for n in names}) for _ in range(2)]
    factories[0].fit(tensor(labels))
    factories[1].load_state_dict(factories[0].state_dict(), strict=True)
    inputs = {"keypoints_pred": predictions, "confidences": torch.ones(10, 6)}
    first, second = ([term.raw for term in factory(inputs)] for factory in factories)
    assert all(term > 0 for term in first[:2])
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_what_was_learnt_replaces_what_a_fitted_one_knows() -> None:
    old = fitted("pca_singleview", poses(80, seed=0), components_to_keep=2)
    new = fitted("pca_singleview", poses(80, seed=4), components_to_keep=5)
    new.load_state_dict(old.state_dict(), strict=True)
    predictions = off(poses(10, seed=1))
    assert value(new, predictions) == value(old, predictions)


def test_it_can_be_learnt_from_also_where_a_pose_is_the_mean() -> None:
    loss = fitted("pca_singleview", poses(80, seed=0), epsilon=0.0)
    points = loss.mean.unflatten(1, (-1, 2)).clone().requires_grad_()
    loss(keypoints_pred=points).backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


@pytest.mark.parametrize("centering", [None, "mean", "median"])
def test_its_gradient_is_the_slope_of_its_value(centering: str | None) -> None:
    loss = fitted("pca_singleview", poses(80, seed=0), centering=centering).double()
    points = torch.as_tensor(off(poses(4, seed=1))).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(keypoints_pred=p), [points])


def test_multiview_gradient_is_the_slope_of_its_value() -> None:
    loss = fitted("pca_multiview", two_views(40, seed=0), MIRROR).double()
    points = torch.as_tensor(off(two_views(4, seed=1))).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(keypoints_pred=p), [points])


def test_a_step_downhill_brings_a_lost_point_back() -> None:
    loss = fitted("pca_singleview", poses(80, seed=0))
    truth = tensor(poses(1, seed=1))
    points = truth.clone()
    points[0, 3] += torch.tensor([60.0, -40.0])
    before = (points - truth)[0, 3].norm()
    for _ in range(400):
        points = points.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(keypoints_pred=points), points)
        points = points - slope
    assert (points - truth)[0, 3].norm() < before / 2


def test_half_precision_predictions_are_compared_in_full() -> None:
    loss = fitted("pca_singleview", poses(80, seed=0))
    points = tensor(off(poses(5, seed=1))).bfloat16()
    found = loss(keypoints_pred=points)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(keypoints_pred=points.float()))


def test_rows_of_zeros_among_the_components_do_not_count() -> None:
    components = torch.linalg.qr(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))[0]
    padded = torch.cat([components.T, torch.zeros(2, 8)])
    points = torch.randn(5, 1, 4, 2, generator=torch.Generator().manual_seed(1))
    plain = distance_from_subspace(points, torch.zeros(1, 8), components.T[None])
    torch.testing.assert_close(
        distance_from_subspace(points, torch.zeros(1, 8), padded[None]), plain
    )


class TestDoubt:
    """Gradients shared out by doubt; the value of the loss stays."""

    def slopes(self, sure: torch.Tensor | None, power: float) -> tuple[float, torch.Tensor]:
        loss = fitted("pca_multiview", two_views(40, seed=0), MIRROR, doubt_power=power)
        points = tensor(off(two_views(5, seed=1))).requires_grad_()
        found = loss(keypoints_pred=points, confidences=sure)
        (slope,) = torch.autograd.grad(found, points)
        return found.item(), slope

    def test_the_less_sure_view_pays_more_and_the_value_stays(self) -> None:
        alike, even = self.slopes(None, 0.0)
        sure = torch.full((5, 6), 0.9)
        sure[:, 3:] = 0.8  # the second view
        one, slope = self.slopes(sure, 2.0)
        assert one == pytest.approx(alike)
        moved = even.norm(dim=-1) > 0
        ratio = (slope.norm(dim=-1) / even.norm(dim=-1))[moved]
        first = moved.nonzero()[:, 1] < 3
        torch.testing.assert_close(ratio[first], torch.full_like(ratio[first], 2 / (1 + 4)))
        torch.testing.assert_close(ratio[~first], torch.full_like(ratio[~first], 8 / (1 + 4)))

    @pytest.mark.parametrize(
        ("sure", "power"), [(None, 6.0), (torch.full((5, 6), NAN), 6.0), (torch.rand(5, 6), 0.0)]
    )
    def test_unknown_confidences_and_power_0_share_equally(
        self, sure: torch.Tensor | None, power: float
    ) -> None:
        torch.testing.assert_close(self.slopes(sure, power)[1], self.slopes(None, 0.0)[1])

    @pytest.mark.parametrize("power", [12.0, 100.0])
    def test_certainty_everywhere_leaves_finite_gradients(self, power: float) -> None:
        assert self.slopes(torch.ones(5, 6), power)[1].isfinite().all()
