"""Windows of neighbouring frames, as views: nothing is copied."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from lightning_pose.contracts.errors import ModelError


def sliding_windows(
    frames: Shaped[Tensor, "t ..."], *, halo: int
) -> Shaped[Tensor, "n window ..."]:
    """Return, for each frame that has ``halo`` neighbours on both sides, the frames around it.

    Args:
        frames: consecutive frames, or what was computed from each.
        halo: neighbours on each side; the window is 2 halo + 1 long and n = t - 2 halo.

    Raises:
        ModelError: there are fewer frames than one window.

    Example:
        >>> import torch
        >>> sliding_windows(torch.arange(5), halo=1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    length = 2 * halo + 1
    if len(frames) < length:
        raise ModelError(
            f"A window needs {length} frames, got {len(frames)}. The first and last frames of a "
            f"clip must be repeated {halo} times to give them neighbours."
        )
    return frames.unfold(0, length, 1).movedim(-1, 1)


def trim_halo(
    frames: Shaped[Tensor, "t ..."], *, given: int, wanted: int
) -> Shaped[Tensor, "m ..."]:
    """Return ``frames`` with ``wanted`` instead of ``given`` extra frames at both ends.

    Raises:
        ModelError: more are wanted than given.

    Example:
        >>> import torch
        >>> trim_halo(torch.arange(6), given=2, wanted=1)
        tensor([1, 2, 3, 4])
    """
    if wanted > given:
        raise ModelError(
            f"This model needs {wanted} neighbouring frames on each side, the batch has {given}. "
            "Make the video reader with the halo of the tracker's data_spec."
        )
    return frames[given - wanted : len(frames) - (given - wanted)]
