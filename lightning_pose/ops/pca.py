"""Principal component analysis of poses that tolerates missing coordinates."""

# torch.linalg has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import DataError


@dataclass(frozen=True)
class PoseSubspace:
    """A mean pose and the directions in which poses vary.

    Attributes:
        mean: of the rows it was fitted on.
        components: orthonormal, the widest first.
        explained: share of the variance along each kept component.
    """

    mean: Float[Tensor, " d"]
    components: Float[Tensor, "c d"]
    explained: Float[Tensor, " c"]


def fit_subspace(
    rows: Float[Tensor, "n d"], *, keep: int | float, min_rows: int, what: str
) -> PoseSubspace:
    """Return the principal subspace of the complete rows.

    Args:
        rows: poses, flattened; a row with a NaN is left out.
        keep: number of components, or the share of variance they must explain (below 1).
        min_rows: complete rows needed, never fewer than two.
        what: names the analysis in the message.

    Raises:
        DataError: there are fewer complete rows; both numbers are in the message.

    Source:
        Jolliffe, Principal Component Analysis, 2002; for pose: Biderman et al., Nature Methods
        2024.

    Example:
        >>> line = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
        >>> fit_subspace(line, keep=0.99, min_rows=4, what="a line").components.shape
        torch.Size([1, 2])
    """
    complete = rows[rows.isfinite().all(dim=1)].double()
    needed = max(min_rows, 2)
    if len(complete) < needed:
        raise DataError(
            f"{what} needs at least {needed} examples with all their points labelled to learn "
            f"from and has {len(complete)}. Label more frames, or choose fewer keypoints."
        )
    mean = complete.mean(dim=0)
    _, widths, directions = torch.linalg.svd(complete - mean, full_matrices=False)
    shares = widths.square() / widths.square().sum().clamp_min(1e-12)
    number = _number_kept(shares, keep)
    return PoseSubspace(
        mean=mean.float(),
        components=directions[:number].float(),
        explained=shares[:number].float(),
    )


def project(rows: Float[Tensor, "n d"], subspace: PoseSubspace) -> Float[Tensor, "n d"]:
    """Return the point of the subspace nearest to each row, measured where the row is known.

    A row with NaNs is fitted by least squares on its other coordinates and comes back whole; one
    with fewer known coordinates than there are components comes back as NaN. Differentiable.

    Example:
        >>> flat = PoseSubspace(torch.zeros(2), torch.tensor([[1.0, 0.0]]), torch.ones(1))
        >>> project(torch.tensor([[3.0, 4.0]]), flat)
        tensor([[3., 0.]])
    """
    known = rows.isfinite()
    components = subspace.components.to(rows)
    mean = subspace.mean.to(rows)
    centred = torch.where(known, rows, mean) - mean
    weights = known.to(rows.dtype)
    normal = torch.einsum("cd,nd,ed->nce", components, weights, components)
    ridge = 1e-6 * torch.eye(len(components), dtype=rows.dtype, device=rows.device)
    right = torch.einsum("cd,nd->nc", components, centred * weights)
    scores = torch.linalg.solve(normal + ridge, right)
    enough = known.sum(dim=1, keepdim=True) >= len(components)
    return torch.where(enough, scores @ components + mean, torch.nan)


def reprojection_distance(
    poses: Float[Tensor, "n k 2"], subspace: PoseSubspace
) -> Float[Tensor, "n k"]:
    """Return how far each keypoint lies from the pose the subspace allows, in the poses' unit.

    NaN where the keypoint is missing, or too few others are there to tell; such points have no
    gradient.
    """
    away = poses - project(poses.flatten(1), subspace).unflatten(1, (-1, 2))
    known = away.isfinite().all(dim=-1)
    distance = torch.linalg.vector_norm(torch.where(known[..., None], away, 0.0), dim=-1)
    return torch.where(known, distance, torch.nan)


def _number_kept(shares: Float[Tensor, " c"], keep: int | float) -> int:
    if isinstance(keep, int):
        return min(keep, len(shares))
    return min(int((shares.cumsum(0) < keep - 1e-9).sum()) + 1, len(shares))
