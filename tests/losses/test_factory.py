"""The loss factory: checks when built, weights, and what it says when something is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lightning_pose.contracts.errors import ConfigError, ModelError
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, UnsupervisedParams, required_keys
from lightning_pose.losses.factory import LossFactory, build_loss, build_losses


@dataclass(frozen=True, kw_only=True)
class _Params(UnsupervisedParams):
    log_weight: float = 3.0
    epsilon: float = 1.0


class _Spread(Loss):
    """Variance of the predictions; learns their mean."""

    learnt: torch.Tensor | None = None

    def fit(self, keypoints_img: torch.Tensor) -> None:
        self.learnt = keypoints_img.nanmean(dim=0)

    def forward(self, *, keypoints_pred: torch.Tensor) -> torch.Tensor:
        return keypoints_pred.var() * self.params.epsilon


@pytest.fixture
def spread_registered() -> Iterator[None]:
    LOSSES.register("spread_for_test", params=_Params)(_Spread)
    yield
    LOSSES._entries.pop("spread_for_test")


def test_the_signature_is_the_list_of_what_a_loss_needs() -> None:
    assert build_loss("heatmap_mse").needs == ("heatmaps_targ", "heatmaps_pred")
    assert build_loss("regression").needs == ("keypoints_targ", "keypoints_pred", "net_size")


def test_a_forward_without_names_is_refused() -> None:
    class Vague(nn.Module):
        def forward(self, **tensors: torch.Tensor) -> dict[str, torch.Tensor]:
            return tensors

    with pytest.raises(ConfigError, match=r"Vague\.forward must name the tensors"):
        required_keys(Vague)


def test_the_supervised_term_has_weight_one_half() -> None:
    assert build_loss("heatmap_mse").weight == 0.5


@pytest.mark.usefixtures("spread_registered")
def test_a_weight_is_half_the_inverse_exponential() -> None:
    assert build_loss("spread_for_test", {"log_weight": 2.0}).weight == pytest.approx(
        0.5 * math.exp(-2)
    )


@pytest.mark.usefixtures("spread_registered")
def test_terms_are_raw_and_weighted_once() -> None:
    factory = build_losses(["spread_for_test"], {"spread_for_test": {"epsilon": 4.0}})
    pred = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]])
    (term,) = factory({"keypoints_pred": pred})
    assert term.name == "spread_for_test"
    assert term.raw.item() == pytest.approx(4 * pred.var().item())
    assert term.weighted.item() == pytest.approx(term.raw.item() * 0.5 * math.exp(-3))


@pytest.mark.usefixtures("spread_registered")
def test_every_loss_learns_from_the_training_labels() -> None:
    factory = build_losses(["spread_for_test"], {})
    factory.fit(torch.tensor([[[1.0, 2.0]], [[3.0, float("nan")]]]))
    torch.testing.assert_close(
        factory.losses["spread_for_test"].learnt, torch.tensor([[2.0, 2.0]])
    )


def test_a_tracker_that_lacks_a_tensor_is_refused_when_built() -> None:
    with pytest.raises(
        ModelError, match=r"'heatmap_mse' needs heatmaps_targ, heatmaps_pred.*'regression'"
    ):
        LossFactory(
            {"heatmap_mse": build_loss("heatmap_mse")},
            offered=("keypoints_pred", "keypoints_targ"),
            tracker="regression",
        )


def test_a_batch_that_lacks_a_tensor_is_named() -> None:
    factory = build_losses(["heatmap_mse"], {})
    with pytest.raises(ModelError, match="needs heatmaps_targ; this batch has only heatmaps_pred"):
        factory({"heatmaps_pred": torch.zeros(1, 1, 2, 2)})


def test_an_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"no loss named 'heatmap_mes'. Did you mean 'heatmap_mse'"
    ):
        build_loss("heatmap_mes")


@pytest.mark.usefixtures("spread_registered")
def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"losses.spread_for_test.epsilom is not a setting.*epsilon"
    ):
        build_loss("spread_for_test", {"epsilom": 1})


@pytest.mark.usefixtures("spread_registered")
def test_an_infinite_log_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="log_weight must be a number from -10 to 50"):
        build_loss("spread_for_test", {"log_weight": float("inf")})
