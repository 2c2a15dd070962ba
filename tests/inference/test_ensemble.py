"""Ensembles: what disagrees is doubted, what is missing is bridged, what does not fit refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference import eks_package
from lightning_pose.inference.eks_package import smooth_with_package
from lightning_pose.inference.ensemble import COORDS, smooth_ensemble

FRAMES, NAMES = 300, ("nose", "tail")
APART = slice(120, 160)


def truth() -> np.ndarray:
    """Return a walk of two keypoints."""
    return np.cumsum(np.random.default_rng(1).normal(0, 1, (FRAMES, len(NAMES), 2)), axis=0) + 200


def members(count: int = 5, *, noise_px: float = 1.0, apart_px: float = 12.0) -> list[Predictions]:
    """Return predictions that are near the truth, except of the nose for a while."""
    rng = np.random.default_rng(2)
    size = np.full((FRAMES, len(NAMES), 1), noise_px)
    size[APART, 0] = apart_px
    return [
        Predictions(
            xy_img=truth() + rng.normal(0, 1, (FRAMES, len(NAMES), 2)) * size,
            confidence=rng.uniform(0.6, 1.0, (FRAMES, len(NAMES))),
            keypoint_names=NAMES,
            frame_ids=np.arange(FRAMES),
            source=f"model{number}/day1.csv",
        )
        for number in range(count)
    ]


def without(member: Predictions, frames: slice, keypoint: int = 0) -> Predictions:
    """Return predictions that lack a point in some frames."""
    xy, confidence = member.xy_img.copy(), member.confidence.copy()
    xy[frames, keypoint] = np.nan
    confidence[frames, keypoint] = np.nan
    return replace(member, xy_img=xy, confidence=confidence)


def error_px(found: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth(), axis=-1).mean())


def test_the_smoothed_ensemble_is_nearer_to_the_truth_than_its_median_and_its_members() -> None:
    five = members()
    smoothed = smooth_ensemble(five)
    assert error_px(smoothed.predictions.xy_img) < 0.8 * error_px(smoothed.median_img)
    assert error_px(smoothed.median_img) < min(error_px(member.xy_img) for member in five)


def test_the_posterior_variance_is_larger_where_members_disagree() -> None:
    variance = smooth_ensemble(members()).posterior_variance
    apart, near = variance[APART, 0], variance[170:, 0]
    assert apart.min() > near[:-5].max()
    assert apart[5:-5].min() > 3 * np.median(near)
    assert np.median(variance[:, 1]) < np.median(apart) / 3


def test_errors_are_of_the_size_that_the_variance_says() -> None:
    smoothed = smooth_ensemble(members(apart_px=1.0))
    ratio = (smoothed.predictions.xy_img - truth()) / np.sqrt(smoothed.posterior_variance)
    assert 0.4 < np.sqrt(np.mean(ratio**2)) < 1.6


def test_median_variance_and_likelihood_are_of_the_members() -> None:
    five = members()
    smoothed = smooth_ensemble(five)
    xy = np.stack([member.xy_img for member in five])
    confidence = np.mean([member.confidence for member in five], axis=0)
    np.testing.assert_allclose(smoothed.median_img, np.median(xy, axis=0))
    np.testing.assert_allclose(smoothed.predictions.confidence, confidence)
    np.testing.assert_allclose(
        smoothed.ensemble_variance, np.var(xy, axis=0) / confidence[..., None]
    )


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".parquet"])
def test_files_are_predictions_with_nine_columns_a_keypoint(tmp_path: Path, suffix: str) -> None:
    smoothed = smooth_ensemble(members())
    path = smoothed.write(tmp_path / f"day1{suffix}")
    read = Predictions.read(path)
    np.testing.assert_allclose(read.xy_img, smoothed.predictions.xy_img)
    np.testing.assert_allclose(read.confidence, smoothed.predictions.confidence)
    assert read.keypoint_names == NAMES
    if suffix == ".csv":
        frame = pd.read_csv(path, header=[0, 1, 2], index_col=0)
        assert frame.shape == (FRAMES, 9 * len(NAMES))
        assert list(frame["lightning_pose"]["nose"].columns) == list(COORDS)
        found = frame["lightning_pose"]["tail"]["y_posterior_var"]
        np.testing.assert_allclose(found, smoothed.posterior_variance[:, 1, 1])


def test_a_point_that_no_member_has_is_bridged_and_marked() -> None:
    gap = slice(50, 61)
    smoothed = smooth_ensemble([without(member, gap) for member in members(5)])
    assert np.isfinite(smoothed.predictions.xy_img).all()
    assert (smoothed.predictions.confidence[gap, 0] == 0).all()
    assert np.isnan(smoothed.median_img[gap, 0]).all()
    variance = smoothed.posterior_variance[:, 0, 0]
    assert variance[55] > variance[50] > 2 * variance[47]
    assert int(np.argmax(variance[40:70])) + 40 == 55


def test_the_members_that_have_a_point_are_enough() -> None:
    five = members()
    part = [without(member, slice(None)) if i < 2 else member for i, member in enumerate(five)]
    found, three = smooth_ensemble(part), smooth_ensemble(five[2:])
    np.testing.assert_allclose(found.predictions.xy_img[:, 0], three.predictions.xy_img[:, 0])
    np.testing.assert_allclose(
        found.predictions.confidence[:, 0], three.predictions.confidence[:, 0]
    )


def test_a_point_of_one_member_alone_is_doubted_like_the_most_doubtful() -> None:
    two = members(2, apart_px=1.0)
    alone = smooth_ensemble([two[0], without(two[1], slice(200, 210))])
    assert np.isnan(alone.ensemble_variance[200:210, 0]).all()
    np.testing.assert_allclose(alone.median_img[200:210, 0], two[0].xy_img[200:210, 0])
    assert alone.posterior_variance[205, 0, 0] > np.median(alone.posterior_variance[:, 0, 0])


def test_a_keypoint_that_is_never_there_stays_missing() -> None:
    smoothed = smooth_ensemble([without(member, slice(None)) for member in members(3)])
    assert np.isnan(smoothed.predictions.xy_img[:, 0]).all()
    assert np.isnan(smoothed.posterior_variance[:, 0]).all()
    assert np.isfinite(smoothed.predictions.xy_img[:, 1]).all()


def test_members_that_agree_in_every_digit_are_followed() -> None:
    one = members(1)[0]
    smoothed = smooth_ensemble([one, one, one])
    np.testing.assert_allclose(smoothed.predictions.xy_img, one.xy_img, atol=0.01)


def test_unknown_confidences_count_as_one() -> None:
    unknown = [replace(m, confidence=np.full_like(m.confidence, np.nan)) for m in members()]
    smoothed = smooth_ensemble(unknown)
    assert np.isnan(smoothed.predictions.confidence).all()
    xy = np.stack([member.xy_img for member in unknown])
    np.testing.assert_allclose(smoothed.ensemble_variance, np.var(xy, axis=0))


def test_one_frame_is_enough() -> None:
    smoothed = smooth_ensemble([member.rows(np.array([7])) for member in members()])
    assert smoothed.predictions.xy_img.shape == (1, 2, 2)
    np.testing.assert_allclose(smoothed.predictions.xy_img, smoothed.median_img)


@pytest.mark.parametrize("smooth", [smooth_ensemble, smooth_with_package])
def test_members_that_do_not_fit_together_are_refused(smooth: object) -> None:
    assert callable(smooth)
    one, two = members(2)
    renamed = replace(two, keypoint_names=("nose", "ear"))
    images = two.with_images([f"img{i}.png" for i in range(FRAMES)], ["test"] * FRAMES)
    for pair, said in (
        ([one], "at least two models"),
        ([one, renamed], "model1/day1.csv has the keypoints nose, ear, but"),
        ([one, two.rows(np.arange(99))], "99 frames and model0/day1.csv has 300"),
        ([one, replace(two, frame_ids=two.frame_ids + 1)], "numbered differently"),
        ([one, images], "labelled images"),
        ([one.rows(np.array([], dtype=int))] * 2, "no frame"),
    ):
        with pytest.raises(DataError, match=said):
            smooth(pair)


def test_without_the_package_its_engine_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "eks", None)
    with pytest.raises(ConfigError, match=r"pip install 'lightning-pose-rebuilt\[eks\]'"):
        smooth_with_package(members())


@pytest.mark.parametrize("broken", ["one keypoint", "a gap"])
def test_what_the_package_cannot_smooth_is_refused_before_it_is_tried(broken: str) -> None:
    five = members()
    if broken == "a gap":
        five = [without(member, slice(5, 6)) for member in five]
    else:
        five = [first_keypoint(member) for member in five]
    with pytest.raises(DataError, match="--engine litpose"):
        smooth_with_package(five)


def first_keypoint(member: Predictions) -> Predictions:
    return replace(
        member,
        xy_img=member.xy_img[:, :1],
        confidence=member.confidence[:, :1],
        keypoint_names=NAMES[:1],
    )


@pytest.mark.skipif(importlib.util.find_spec("eks") is None, reason="needs the extra eks")
@pytest.mark.filterwarnings("ignore")
def test_the_package_smooths_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = iter((3.0, 0.4))
    monkeypatch.setattr(
        "lightning_pose.inference.ensemble.likeliest_step_variance", lambda _: next(steps)
    )
    smoother, markers = eks_package._package()

    def with_our_steps(array: object, names: Sequence[str]) -> object:
        return smoother(array, names, smooth_param=[3.0, 0.4])

    monkeypatch.setattr(eks_package, "_package", lambda: (with_our_steps, markers))
    ours, theirs = smooth_ensemble(members()), smooth_with_package(members())
    frames = [found.to_frame() for found in (ours, theirs)]
    np.testing.assert_allclose(frames[0], frames[1], rtol=1e-3, atol=1e-4)
    monkeypatch.undo()
    free = smooth_with_package(members())
    assert (
        np.abs(free.predictions.xy_img - smooth_ensemble(members()).predictions.xy_img)[:, 1].max()
        < 1
    )
