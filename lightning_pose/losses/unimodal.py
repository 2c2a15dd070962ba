"""Unimodal losses: a heatmap has one peak, of the width that targets have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.registry import LOSSES
from lightning_pose.contracts.settings import setting
from lightning_pose.losses.base import Loss, LossBasis, UnsupervisedParams
from lightning_pose.losses.heatmap import js_divergence, kl_divergence, squared_difference
from lightning_pose.losses.terms import is_sure, mean_where
from lightning_pose.ops.heatmaps import render_heatmaps, soft_argmax

Heatmaps = Float[Tensor, "t k h w"]
PerKeypoint = Float[Tensor, "t k"]


@dataclass(frozen=True, kw_only=True)
class UnimodalParams(UnsupervisedParams):
    """Settings of the unimodal losses."""

    prob_threshold: float = setting(
        0.05, "A heatmap whose confidence is lower does not count.", minimum=0, maximum=1
    )


def ideal_heatmaps(heatmaps: Heatmaps, *, sigma: float, radius: int = 2) -> Heatmaps:
    """Return for each map the target it would have if its own highest peak were the label.

    The Gaussian of width ``sigma`` (heatmap pixels) and sum 1 at the soft-argmax, read off
    ``radius`` pixels around the peak, without a gradient.

    Example:
        >>> maps = torch.zeros(1, 1, 5, 9)
        >>> maps[..., 2, 2], maps[..., 2, 8] = 0.7, 0.3
        >>> ideal_heatmaps(maps, sigma=0.5)[0, 0, 2].round(decimals=2)
        tensor([0.0000, 0.0800, 0.6200, 0.0800, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000])
    """
    height, width = heatmaps.shape[-2:]
    with torch.no_grad():
        peaks = soft_argmax(heatmaps, sigma=sigma, radius=radius)
        return render_heatmaps(peaks, net_hw=(height, width), factor=0, sigma=sigma)


class UnimodalLoss(Loss):
    """Distance D of each heatmap h from the ideal one at its own highest peak.

    The mean over frames t and keypoints k, where the confidence reaches the threshold, of::

        D(g(soft_argmax(h[t, k])), h[t, k])

    g is the Gaussian that a label at that place would have for target; no gradient flows through
    the place. It is 0, with a gradient, if no map counts.

    Source:
        The losses of this name in the software of Biderman, Whiteway et al., Nature Methods 2024.
    """

    compare: ClassVar[Callable[[Heatmaps, Heatmaps], PerKeypoint]]
    gradient_is_slope = False  # moving a peak moves its ideal along, which has no gradient

    def __init__(self, params: UnimodalParams, *, basis: LossBasis | None = None) -> None:
        super().__init__(params, basis=basis)
        self.prob_threshold = params.prob_threshold

    def forward(
        self, *, heatmaps_pred: Heatmaps, confidences: Float[Tensor, "t k"]
    ) -> Float[Tensor, ""]:
        """Return the mean over the maps that count; a NaN confidence (unknown) counts."""
        ideal = ideal_heatmaps(
            heatmaps_pred, sigma=self.basis.heatmap_sigma, radius=self.basis.window_radius
        )
        away = type(self).compare(ideal, heatmaps_pred)
        return mean_where(away, is_sure(confidences, threshold=self.prob_threshold))


@LOSSES.register("unimodal_mse", params=UnimodalParams)
class UnimodalMSELoss(UnimodalLoss):
    """Squared difference between a heatmap and the ideal one at its own peak."""

    replayable = True

    compare = staticmethod(squared_difference)


@LOSSES.register("unimodal_kl", params=UnimodalParams)
class UnimodalKLLoss(UnimodalLoss):
    """Kullback-Leibler divergence of a heatmap from the ideal one at its own peak."""

    replayable = True

    compare = staticmethod(kl_divergence)


@LOSSES.register("unimodal_js", params=UnimodalParams)
class UnimodalJSLoss(UnimodalLoss):
    """Jensen-Shannon divergence between a heatmap and the ideal one at its own peak."""

    replayable = True

    compare = staticmethod(js_divergence)
