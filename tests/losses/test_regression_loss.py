"""The supervised coordinate loss."""

from __future__ import annotations

import pytest
import torch

from lightning_pose.losses.factory import build_loss

NAN = float("nan")


def evaluate(targ: list, pred: list, size: tuple[float, float] = (10.0, 20.0)) -> torch.Tensor:
    return build_loss("regression")(
        keypoints_targ=torch.tensor(targ),
        keypoints_pred=torch.tensor(pred),
        net_size=torch.tensor(size),
    )


def test_errors_are_measured_in_picture_sizes() -> None:
    loss = evaluate([[[0.0, 0.0], [5.0, 5.0]]], [[[1.0, 0.0], [5.0, 9.0]]])
    assert loss.item() == pytest.approx((0.1**2 + 0.2**2) / 4)


def test_points_without_a_label_do_not_count() -> None:
    loss = evaluate([[[0.0, 0.0], [NAN, NAN]]], [[[1.0, 2.0], [7.0, 7.0]]])
    assert loss.item() == pytest.approx((0.1**2 + 0.1**2) / 2)


@pytest.mark.parametrize("outside", [[-0.6, 5.0], [9.6, 5.0], [5.0, 19.6]])
def test_points_moved_out_of_the_picture_do_not_count(outside: list[float]) -> None:
    loss = evaluate([[[0.0, 0.0], outside]], [[[1.0, 0.0], [3.0, 3.0]]])
    assert loss.item() == pytest.approx(0.1**2 / 2)


def test_an_unlabelled_point_sends_no_gradient() -> None:
    pred = torch.ones(1, 2, 2, requires_grad=True)
    loss = build_loss("regression")(
        keypoints_targ=torch.tensor([[[0.0, 0.0], [NAN, NAN]]]),
        keypoints_pred=pred,
        net_size=torch.tensor([10.0, 10.0]),
    )
    loss.backward()
    assert pred.grad[0, 0].abs().min() > 0
    assert pred.grad[0, 1].abs().max() == 0
