"""A label is suspect when every model puts it elsewhere, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.metrics.label_audit import FAR, SWAPPED, AuditRule, Suspect, audit_labels

FRAMES, KEYPOINTS, MODELS = 40, 4, 3
PAIRS = ((0, 1),)
RULE = AuditRule(factor=4.0, least_px=5.0)
UNSEEN = np.zeros((MODELS, FRAMES), dtype=bool)


@pytest.fixture
def truth() -> np.ndarray:
    places = np.array([[0.0, 0.0], [60.0, 0.0], [0.0, 60.0], [60.0, 60.0]])
    return places + np.random.default_rng(0).uniform(0, 100, (FRAMES, 1, 2))


@pytest.fixture
def predicted(truth: np.ndarray) -> np.ndarray:
    return truth + np.random.default_rng(1).normal(0, 1, (MODELS, FRAMES, KEYPOINTS, 2))


def audited(labels: np.ndarray, predicted: np.ndarray, learnt: np.ndarray) -> list[Suspect]:
    return audit_labels(labels, predicted, learnt=learnt, pairs=PAIRS, rule=RULE)


def test_right_labels_are_not_suspect(truth: np.ndarray, predicted: np.ndarray) -> None:
    assert audited(truth, predicted, UNSEEN) == []


def test_a_misplaced_label_is_found_with_where_it_belongs(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    labels = truth.copy()
    labels[7, 2] += 25.0
    (found,) = audited(labels, predicted, UNSEEN)
    assert (found.row, found.keypoints, found.kind, found.models) == (7, (2,), FAR, MODELS)
    np.testing.assert_allclose(found.proposed_xy[0], truth[7, 2], atol=3.0)


def test_exchanged_sides_are_one_suspect(truth: np.ndarray, predicted: np.ndarray) -> None:
    labels = truth.copy()
    labels[3, [0, 1]] = labels[3, [1, 0]]
    (found,) = audited(labels, predicted, UNSEEN)
    assert (found.row, found.keypoints, found.kind) == (3, (0, 1), SWAPPED)


def test_sides_that_models_mix_up_as_a_rule_are_not_suspect(truth: np.ndarray) -> None:
    """Where models are ten pixels off in most frames, an exchange by fifteen says nothing."""
    labels = truth.copy()
    labels[:, 1] = labels[:, 0] + (15.0, 0.0)
    predicted = np.repeat(labels[None], MODELS, axis=0)
    predicted[:, :, :2] += (0.0, 10.0)
    predicted[:, 3, [0, 1]] = labels[3, [1, 0]]
    assert audited(labels, predicted, UNSEEN) == []


def test_exchanged_keypoints_that_are_no_pair_are_far(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    labels = truth.copy()
    labels[3, [2, 3]] = labels[3, [3, 2]]
    assert [found.kind for found in audited(labels, predicted, UNSEEN)] == [FAR, FAR]


def test_one_model_that_agrees_with_the_label_clears_it(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    labels = truth.copy()
    labels[7, 2] += 25.0
    predicted[1, 7, 2] = labels[7, 2]
    assert audited(labels, predicted, UNSEEN) == []


def test_a_model_that_learnt_the_wrong_label_is_not_asked(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    labels = truth.copy()
    labels[7, 2] += 25.0
    predicted[1, 7, 2] = labels[7, 2]
    learnt = UNSEEN.copy()
    learnt[1, 7] = True
    (found,) = audited(labels, predicted, learnt)
    assert found.models == MODELS - 1
    assert not found.learnt


def test_models_that_disagree_among_each_other_say_nothing(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    angles = np.arange(MODELS) * 2 * np.pi / MODELS
    predicted[:, 7, 2] = truth[7, 2] + 30.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    assert audited(truth, predicted, UNSEEN) == []


def test_points_without_label_or_prediction_are_passed_over(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    truth[5] = np.nan
    predicted[:, 6] = np.nan
    predicted[0, 8, 0] = np.nan
    assert audited(truth, predicted, UNSEEN) == []
    assert audit_labels(truth, predicted[:1], learnt=UNSEEN[:1], pairs=PAIRS, rule=RULE) == []
