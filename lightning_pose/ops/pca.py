"""Principal component analysis of poses that tolerates missing coordinates."""

# torch.linalg has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import DataError

CHUNK_ROWS = 16_384  # rows with gaps need c x c numbers each, and videos are long
LEAST_KNOWN = 1e-4  # of the squared length of every direction; below, rounding decides


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


def view_columns(
    keypoints: int, *, num_views: int, matches: Sequence[Sequence[int]] | None = None
) -> list[list[int]]:
    """Return for each view its keypoints along the k axis, the same body parts in the same order.

    Args:
        keypoints: length of the k axis; of several cameras the views lie side by side on it.
        num_views: cameras; 1 also for mirrored views in one image.
        matches: one list a view; counted within the view for several cameras, along the whole axis
            for one. None = every keypoint of every camera.

    Example:
        >>> view_columns(6, num_views=2)
        [[0, 1, 2], [3, 4, 5]]
        >>> view_columns(6, num_views=2, matches=[[0, 2], [0, 2]])
        [[0, 2], [3, 5]]
        >>> view_columns(6, num_views=1, matches=[[0, 2], [5, 4]])
        [[0, 2], [5, 4]]
    """
    in_view = keypoints // num_views
    own = [range(in_view)] * num_views if matches is None else matches
    each = in_view if num_views > 1 else 0
    return [[view * each + column for column in columns] for view, columns in enumerate(own)]


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
        DataError: there are fewer complete rows, with both numbers; or every component is needed,
            so that each pose would be its own projection.

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
    if number >= rows.shape[1]:
        raise DataError(
            f"{what} would keep all {rows.shape[1]} components, and every pose would be right. "
            "Keep fewer components, or choose more keypoints."
        )
    return PoseSubspace(
        mean=mean.float(),
        components=directions[:number].float(),
        explained=shares[:number].float(),
    )


def project(rows: Float[Tensor, "n d"], subspace: PoseSubspace) -> Float[Tensor, "n d"]:
    """Return the point of the subspace nearest to each row, measured where the row is known.

    A row with NaNs is fitted by least squares on its other coordinates and comes back whole; it
    comes back as NaN if they do not determine it. Differentiable, and never in half precision.

    Args:
        rows: poses, flattened.
        subspace: what they are compared with.

    Example:
        >>> flat = PoseSubspace(torch.zeros(2), torch.tensor([[1.0, 0.0]]), torch.ones(1))
        >>> project(torch.tensor([[3.0, 4.0]]), flat)
        tensor([[3., 0.]])
    """
    rows = rows if rows.dtype == torch.float64 else rows.float()
    mean, components = subspace.mean.to(rows), subspace.components.to(rows)
    with torch.autocast(rows.device.type, enabled=False):
        scores = [_scores(part, components) for part in (rows - mean).split(CHUNK_ROWS)]
        return torch.cat(scores) @ components + mean


def reprojection_distance(
    poses: Float[Tensor, "n k 2"], subspace: PoseSubspace
) -> Float[Tensor, "n k"]:
    """Return how far each keypoint lies from the pose the subspace allows, in the poses' unit.

    NaN where the keypoint is missing, or too few others are there to tell; such points have no
    gradient.
    """
    rows = poses.flatten(1)
    away = (rows - project(rows, subspace)).unflatten(1, (-1, 2))
    telling = rows.isfinite().sum(dim=1, keepdim=True) > len(subspace.components)
    known = away.isfinite().all(dim=-1) & telling
    distance = torch.linalg.vector_norm(torch.where(known[..., None], away, 0.0), dim=-1)
    return torch.where(known, distance, torch.nan)


def _scores(
    centred: Float[Tensor, "n d"], components: Float[Tensor, "c d"]
) -> Float[Tensor, "n c"]:
    """Return the coordinates of each row along the components; NaN if they are undetermined."""
    known = centred.isfinite()
    scores = torch.where(known, centred, 0.0) @ components.T
    gaps = (~known).any(dim=1).nonzero()[:, 0]
    if not len(gaps):
        return scores
    patterns, which = known[gaps].unique(dim=0, return_inverse=True)
    exact = components.double()
    normal = torch.einsum("cd,ud,ed->uce", exact, patterns.double(), exact)
    determined = torch.linalg.eigvalsh(normal)[:, :1] > LEAST_KNOWN
    inverse = torch.linalg.pinv(normal, hermitian=True)[which]
    solved = (inverse @ scores[gaps].double()[..., None])[..., 0].to(scores)
    return scores.index_put((gaps,), torch.where(determined[which], solved, torch.nan))


def _number_kept(shares: Float[Tensor, " s"], keep: int | float) -> int:
    if isinstance(keep, int):
        return min(keep, len(shares))
    return int((shares.cumsum(0) < shares.sum() * keep - 1e-9).sum()) + 1
