"""Pose subspaces: what they keep, how they bear missing points, and what they refuse.

The independent route is scikit-learn's PCA, and planes whose answer is known on paper.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from lightning_pose.contracts.errors import DataError
from lightning_pose.ops import pca
from lightning_pose.ops.pca import PoseSubspace, fit_subspace, project, reprojection_distance

NAN = float("nan")


@pytest.fixture
def rows() -> torch.Tensor:
    """Return 60 poses of four points: two wide directions and a little noise, far from 0."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(60, 2)) * [30.0, 8.0]
    directions = np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    values = 200 + spread @ directions + rng.normal(size=(60, 8)) * 0.3
    return torch.as_tensor(values, dtype=torch.float32)


def fit(rows: torch.Tensor, *, keep: int | float = 2, min_rows: int = 2) -> PoseSubspace:
    return fit_subspace(rows, keep=keep, min_rows=min_rows, what="The analysis")


def test_projection_is_that_of_scikit_learn(rows: torch.Tensor) -> None:
    reference = PCA(n_components=2).fit(rows.numpy())
    expected = reference.inverse_transform(reference.transform(rows.numpy()))
    np.testing.assert_allclose(project(rows, fit(rows)).numpy(), expected, atol=1e-3)


def test_explained_shares_are_those_of_scikit_learn(rows: torch.Tensor) -> None:
    expected = PCA(n_components=3).fit(rows.numpy()).explained_variance_ratio_
    np.testing.assert_allclose(fit(rows, keep=3).explained.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 0.9999])
def test_a_share_keeps_the_fewest_components_that_explain_it(
    rows: torch.Tensor, share: float
) -> None:
    ratios = PCA().fit(rows.numpy().astype(np.float64)).explained_variance_ratio_
    expected = 1 + int(np.searchsorted(np.cumsum(ratios), share))
    assert len(fit(rows, keep=share).components) == expected


@pytest.mark.parametrize("keep", [8, 99, 0.9999999])
def test_keeping_everything_is_refused_as_there_is_nothing_left_to_measure(
    rows: torch.Tensor, keep: int | float
) -> None:
    with pytest.raises(DataError, match="would keep all 8 components"):
        fit(rows, keep=keep)


def test_incomplete_rows_teach_nothing(rows: torch.Tensor) -> None:
    spoilt = rows.clone()
    spoilt[::3, 5] = NAN
    complete = rows[torch.arange(len(rows)) % 3 != 0]
    torch.testing.assert_close(fit(spoilt).mean, fit(complete).mean)
    torch.testing.assert_close(
        fit(spoilt).components.abs(), fit(complete).components.abs(), atol=1e-5, rtol=0
    )


def test_too_few_rows_are_refused_with_both_numbers(rows: torch.Tensor) -> None:
    rows[4:] = NAN
    with pytest.raises(DataError, match=r"The analysis needs at least 16 .* and has 4\."):
        fit(rows, min_rows=16)


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_complete_row_is_refused(rows: torch.Tensor, count: int) -> None:
    with pytest.raises(DataError, match=f"at least 2 .* and has {count}"):
        fit(rows[:count], min_rows=0)


def test_rows_that_are_all_the_same_allow_only_themselves() -> None:
    subspace = fit(torch.full((5, 4), 7.0), keep=0.99)
    torch.testing.assert_close(project(torch.full((1, 4), 7.0), subspace), torch.full((1, 4), 7.0))


def test_a_missing_coordinate_is_filled_from_the_others() -> None:
    line = torch.tensor([[float(i), 2.0 * i, 3.0 * i, -1.0 * i] for i in range(8)])
    filled = project(torch.tensor([[5.0, 10.0, NAN, NAN]]), fit(line, keep=1))
    torch.testing.assert_close(filled, torch.tensor([[5.0, 10.0, 15.0, -5.0]]), atol=1e-3, rtol=0)


def test_gaps_are_filled_as_least_squares_fills_them(rows: torch.Tensor) -> None:
    subspace = fit(rows, keep=3)
    gappy = rows[:20].clone()
    gappy[torch.rand(gappy.shape, generator=torch.Generator().manual_seed(0)) < 0.3] = NAN
    found = project(gappy, subspace).numpy()
    for row, filled in zip(gappy.double().numpy(), found, strict=True):
        known = np.isfinite(row)
        if known.sum() < 3:
            assert np.isnan(filled).all()
            continue
        design = subspace.components.double().numpy()[:, known].T
        away = row[known] - subspace.mean.double().numpy()[known]
        scores = np.linalg.lstsq(design, away, rcond=None)[0]
        expected = scores @ subspace.components.numpy() + subspace.mean.numpy()
        np.testing.assert_allclose(filled, expected, atol=0.02)


def test_coordinates_that_do_not_tell_give_nan() -> None:
    subspace = PoseSubspace(torch.zeros(3), torch.tensor([[0.0, 0.6, 0.8]]), torch.ones(1))
    assert project(torch.tensor([[5.0, NAN, NAN]]), subspace).isnan().all()


def test_a_long_table_is_projected_as_a_short_one(
    rows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    subspace = fit(rows)
    rows[7, 2] = NAN
    whole = project(rows, subspace)
    monkeypatch.setattr(pca, "CHUNK_ROWS", 7)
    torch.testing.assert_close(project(rows, subspace), whole)


def test_half_precision_around_it_does_not_reach_it(rows: torch.Tensor) -> None:
    subspace = fit(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = project(rows, subspace)
    torch.testing.assert_close(found, project(rows, subspace))


def test_as_many_coordinates_as_components_tell_nothing_about_distance(
    rows: torch.Tensor,
) -> None:
    subspace = fit(rows, keep=4)
    poses = rows[:1].unflatten(1, (-1, 2)).clone()
    poses[0, 2:] = NAN
    assert reprojection_distance(poses, subspace).isnan().all()


def test_a_row_without_any_coordinate_comes_back_as_nan(rows: torch.Tensor) -> None:
    rows[3] = NAN
    found = project(rows, fit(rows))
    assert found[3].isnan().all()
    assert found.isnan().any(dim=1).sum() == 1


def test_a_row_with_fewer_coordinates_than_components_comes_back_as_nan(
    rows: torch.Tensor,
) -> None:
    subspace = fit(rows, keep=3)
    rows[0, 2:] = NAN
    assert project(rows[:1], subspace).isnan().all()


def test_distance_is_the_euclidean_one_of_each_point() -> None:
    floor = PoseSubspace(
        mean=torch.zeros(4),
        components=torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]),
        explained=torch.tensor([0.5, 0.5]),
    )
    poses = torch.tensor([[[9.0, 7.0], [3.0, 4.0]]])
    torch.testing.assert_close(
        reprojection_distance(poses, floor), torch.tensor([[0.0, 5.0]]), atol=1e-4, rtol=0
    )


def test_distance_is_nan_only_at_the_missing_point(rows: torch.Tensor) -> None:
    subspace = fit(rows)
    poses = rows[:1].unflatten(1, (-1, 2)).clone()
    poses[0, 1, 0] = NAN
    assert reprojection_distance(poses, subspace).isnan().tolist() == [[False, True, False, False]]


def test_poses_of_no_frame_give_no_distance(rows: torch.Tensor) -> None:
    assert reprojection_distance(torch.zeros(0, 4, 2), fit(rows)).shape == (0, 4)


def test_distance_can_be_learnt_from_also_at_zero_and_with_missing_points(
    rows: torch.Tensor,
) -> None:
    subspace = fit(rows)
    poses = torch.stack([subspace.mean, rows[0]]).unflatten(1, (-1, 2)).clone()
    poses[1, 2] = NAN
    poses.requires_grad_()
    reprojection_distance(poses, subspace).nansum().backward()
    assert poses.grad is not None
    assert poses.grad.isfinite().all()
