"""Pictures and truth of the toy set-up agree, and look as they should."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from lightning_pose.data.toy.canvas import Canvas
from lightning_pose.data.toy.scene import Scene
from lightning_pose.data.toy.skeleton import (
    BODY_PARTS,
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    KEYPOINT_NAMES,
    MIRRORED_COLUMN_MATCHES,
    SIDE_HEIGHT,
)

FRAMES = np.arange(0, 240, 5)
# Keypoints that wear a bright pad of their own: all paws, and the nose from the side.
PADDED = [i for i, name in enumerate(KEYPOINT_NAMES) if "paw" in name or name == "nose_side"]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(seed=0, session=1)


@pytest.fixture(scope="module")
def pads(scene: Scene) -> np.ndarray:
    """Return pictures that show pads alone: two renderings that differ in nothing else."""
    darker = Scene(seed=0, session=1)
    darker.look = dataclasses.replace(scene.look, pads=scene.look.pads - 100)
    return np.stack(
        [
            scene.render(int(f), noise=False).astype(float)
            - darker.render(int(f), noise=False).astype(float)
            for f in FRAMES
        ]
    )


def test_a_canvas_draws_a_disc_where_it_is_told() -> None:
    canvas = Canvas(width=40, height=30)
    canvas.disc(np.array([17.3, 11.8]), 3.2, 200.0)
    picture = canvas.finished().astype(float)
    y, x = np.mgrid[:30, :40]
    centre = np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()
    np.testing.assert_allclose(centre, [17.3, 11.8], atol=0.05)


def test_truth_is_the_centre_of_visible_pads_to_a_third_of_a_pixel(
    scene: Scene, pads: np.ndarray
) -> None:
    truth = scene.truth(FRAMES)
    errors = []
    for row, picture in enumerate(pads):
        for keypoint in PADDED:
            x, y = truth.xy_img[row, keypoint]
            near = np.hypot(*(truth.xy_img[row] - [x, y]).T) < 14
            if truth.visible[row, keypoint] != 2 or near.sum() > 1:
                continue
            ys, xs = np.mgrid[:IMAGE_HEIGHT, :IMAGE_WIDTH]
            window = picture * (np.hypot(xs - x, ys - y) < 7)
            whole = window > 0.5 * window.max()
            if whole.sum() < (5 if "nose" in KEYPOINT_NAMES[keypoint] else 16):
                continue  # partly behind something
            centre = np.array([(window * xs).sum(), (window * ys).sum()]) / window.sum()
            errors.append(np.hypot(*(centre - [x, y])))
    assert len(errors) > 150
    assert np.median(errors) < 0.1
    assert np.percentile(errors, 90) < 0.3


def test_visibility_says_whether_the_picture_shows_the_point(
    scene: Scene, pads: np.ndarray
) -> None:
    truth = scene.truth(FRAMES)
    agree, hidden = [], 0
    for row, picture in enumerate(pads):
        for keypoint in PADDED:
            x, y = np.rint(truth.xy_img[row, keypoint]).astype(int)
            agree.append((picture[y, x] > 12) == (truth.visible[row, keypoint] == 2))
            hidden += truth.visible[row, keypoint] == 1
    assert hidden > 20
    assert np.mean(agree) > 0.97


def test_three_components_explain_both_views_exactly(scene: Scene) -> None:
    xy = scene.truth(np.arange(200)).xy_img
    rows = np.concatenate([xy[:, list(match)] for match in MIRRORED_COLUMN_MATCHES], axis=-1)
    rows = rows.reshape(-1, 4)
    rows = rows[np.isfinite(rows).all(axis=1)]
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    assert singular[3] / np.sqrt(len(rows)) < 1e-6
    assert singular[2] / np.sqrt(len(rows)) > 3


def test_all_sessions_share_the_same_two_mirrors() -> None:
    xy = np.concatenate(
        [Scene(seed=0, session=s, new=s > 9).truth(np.arange(80)).xy_img for s in (1, 2, 10)]
    )
    rows = xy.reshape(len(xy), 2, len(BODY_PARTS), 2).swapaxes(1, 2).reshape(-1, 4)
    rows = rows[np.isfinite(rows).all(axis=1)]
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    assert singular[3] / np.sqrt(len(rows)) < 1e-6


def test_truth_lies_in_its_own_view_or_is_missing(scene: Scene) -> None:
    truth = scene.truth(np.arange(300))
    missing = np.isnan(truth.xy_img).any(axis=-1)
    np.testing.assert_array_equal(missing, truth.visible == 0)
    x, y = np.moveaxis(truth.xy_img, -1, 0)
    side = np.array([name.endswith("_side") for name in KEYPOINT_NAMES])
    assert np.nanmin(x) >= 0
    assert np.nanmax(x) <= IMAGE_WIDTH - 1
    assert np.nanmax(y[:, side]) <= SIDE_HEIGHT - 1
    assert np.nanmin(y[:, ~side]) >= SIDE_HEIGHT
    assert np.nanmax(y[:, ~side]) <= IMAGE_HEIGHT - 1


def test_most_keypoints_are_visible_and_some_are_hidden() -> None:
    visible = np.concatenate(
        [Scene(seed=0, session=s).truth(np.arange(250)).visible for s in range(1, 7)]
    )
    assert (visible == 0).mean() < 0.01
    assert 0.02 < (visible == 1).mean() < 0.15
    assert (visible == 2).mean(axis=0).min() > 0.5


def test_frames_do_not_depend_on_the_order_they_are_asked_for() -> None:
    first, second = Scene(seed=5, session=2), Scene(seed=5, session=2)
    forwards = [first.render(frame) for frame in (0, 1, 2)]
    backwards = [second.render(frame) for frame in (2, 1, 0)][::-1]
    np.testing.assert_array_equal(forwards, backwards)


@pytest.mark.parametrize(("seed", "session"), [(0, 2), (1, 1)])
def test_another_seed_or_session_is_another_walk(scene: Scene, seed: int, session: int) -> None:
    other = Scene(seed=seed, session=session)
    assert np.nanmax(np.abs(other.truth(FRAMES).xy_img - scene.truth(FRAMES).xy_img)) > 5
    assert np.abs(other.render(0).astype(int) - scene.render(0)).mean() > 2


def test_noise_is_what_differs_between_still_moments(scene: Scene) -> None:
    clean = scene.render(10, noise=False).astype(float)
    noisy = scene.render(10).astype(float)
    residual = (noisy - clean)[clean > 20]
    assert 0.8 < residual.std() < 3


def test_training_sessions_are_dark_and_the_new_one_is_not() -> None:
    dark = [Scene(seed=0, session=s).render(20).mean() for s in range(1, 7)]
    new = Scene(seed=0, session=1000, new=True).render(20).mean()
    assert 12 < min(dark) < max(dark) < 50
    assert new > 1.5 * max(dark)


def test_the_new_animal_is_bigger() -> None:
    def length(scene: Scene) -> float:
        nose, tail = (KEYPOINT_NAMES.index(f"{part}_side") for part in ("nose", "tail_base"))
        xy = scene.truth(np.arange(200)).xy_img
        return float(np.nanmedian(np.hypot(*(xy[:, nose] - xy[:, tail]).T)))

    old = max(length(Scene(seed=0, session=s)) for s in range(1, 7))
    assert length(Scene(seed=0, session=1000, new=True)) > 1.07 * old


def test_the_whole_grey_range_is_used_but_little_is_blown_out(scene: Scene) -> None:
    picture = scene.render(30)
    assert picture.max() > 180
    assert (picture == 255).mean() < 0.01


def test_a_picture_is_small_on_disk(scene: Scene) -> None:
    assert len(cv2.imencode(".png", scene.render(30))[1]) < 16_000
