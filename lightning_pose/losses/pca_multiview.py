"""The multi-view loss: what several views show of a body part is one point in space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.pca import PCALoss, PCAParams, check_columns
from lightning_pose.ops.pca import fit_subspace, view_columns


@dataclass(frozen=True, kw_only=True)
class PCAMultiviewParams(PCAParams):
    """Settings of the multi-view loss."""


@LOSSES.register("pca_multiview", params=PCAMultiviewParams)
class PCAMultiviewLoss(PCALoss):
    """Distance of a body part in each view from where the other views say it can be, in pixels.

    V views of one point have 2 V coordinates, and three numbers explain them. All body parts share
    the subspace; each is a group of V points.
    """

    replayable = True

    def __init__(self, params: PCAMultiviewParams, *, basis: LossBasis | None = None) -> None:
        super().__init__(params, basis=basis)
        matches = self.basis.matched_columns
        if matches is None:
            if self.basis.num_views > 1:
                return
            raise ConfigError(
                "The loss pca_multiview compares views, and there is one. Set "
                "data.mirrored_column_matches for views in a mirror, or data.view_names for "
                "several cameras."
            )
        if len(matches) < 2 or len({len(view) for view in matches}) > 1 or not matches[0]:
            raise ConfigError(
                "data.mirrored_column_matches must list, for each of two or more views, the same "
                f"body parts in the same order; it is {[list(view) for view in matches]}."
            )
        if self.basis.num_views not in (1, len(matches)):
            raise ConfigError(
                f"data.mirrored_column_matches has {len(matches)} lists, but there are "
                f"{self.basis.num_views} cameras (data.view_names). Give one list a camera, or "
                "null: cameras then match keypoint by keypoint."
            )

    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Learn the subspace that all body parts share.

        Args:
            keypoints_img: training labels in image pixels, views side by side; NaN = missing.

        Raises:
            ConfigError: a matched column is not among the keypoints.
            DataError: fewer than 2 V points are labelled in all V views, with both numbers; or all
                components would be kept.
        """
        keypoints, views = keypoints_img.shape[1], self.basis.num_views
        given = self.basis.matched_columns
        for view in given or ():
            check_columns(view, keypoints=keypoints // views, key="data.mirrored_column_matches")
        matches = view_columns(keypoints, num_views=views, matches=given)
        columns = torch.tensor(matches).T.contiguous()
        labels = keypoints_img.detach().cpu()[:, columns].flatten(0, 1)
        subspace = fit_subspace(
            labels.flatten(1),
            keep=self.components_to_keep,
            min_rows=2 * len(matches),
            what=f"The loss pca_multiview of {len(matches)} views",
        )
        self.keep_learnt(columns, [(subspace, self.epsilon_of(labels, subspace))])

    def poses(self, points_img: Float[Tensor, "t g p 2"]) -> Float[Tensor, "t g p 2"]:
        """Return the points as they are."""
        return points_img
