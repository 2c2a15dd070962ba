"""What losses share: which terms count, and their mean."""

# torch.linalg has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lightning_pose.ops.processes import number_kept


def is_sure(confidences: Float[Tensor, "*b"], *, threshold: float) -> Bool[Tensor, "*b"]:
    """Return where a prediction is not known to be unsure: an unknown confidence (NaN) counts.

    Example:
        >>> is_sure(torch.tensor([0.01, 0.5, float("nan")]), threshold=0.05)
        tensor([False,  True,  True])
    """
    return ~(confidences < threshold)


def mean_where(values: Float[Tensor, "*b"], keep: Bool[Tensor, "*b"]) -> Float[Tensor, ""]:
    """Return the mean of the values that are kept; 0, with a gradient, if none is.

    Example:
        >>> mean_where(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([False, True, True]))
        tensor(4.)
    """
    return torch.where(keep, values, 0.0).sum() / number_kept(keep)


def mean_or_zero(values: Float[Tensor, "*b"]) -> Float[Tensor, ""]:
    """Return the mean of all values; 0, with a gradient, if there are none.

    Example:
        >>> mean_or_zero(torch.zeros(0, 3))
        tensor(0.)
    """
    return values.sum() / max(values.numel(), 1)


def length(vectors: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b"]:
    """Return the Euclidean length of each vector; the gradient at length 0 is 0.

    Example:
        >>> length(torch.tensor([3.0, 4.0]))
        tensor(5.)
    """
    return torch.linalg.vector_norm(vectors, dim=-1)
