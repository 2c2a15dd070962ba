"""Making a trained network faster without changing what it says."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

N = TypeVar("N", bound=nn.Module)

# Of the largest output: what re-ordered 32-bit sums may differ by, on a GPU of products of 11 bits
# (TF32).
_TOLERANCE, _TOLERANCE_ON_A_GPU = 1e-3, 1e-2
_logger = logging.getLogger(__name__)


def fold_batch_norms(network: N, run: Callable[[N], Tensor]) -> tuple[N, int]:
    """Return a copy with each batch norm multiplied into the convolution before it, and how many.

    In evaluation a batch norm is a fixed scale and shift per channel, so a convolution can do it
    at no cost. Which norm follows which convolution is seen by running the network once. The copy
    is checked against the original; where they differ (a convolution's output is used twice, say)
    the network comes back as it was, with count 0.

    Args:
        network: in evaluation mode; is not changed.
        run: calls a network on an example and returns its output.
    """
    folded = copy.deepcopy(network)
    pairs = _pairs(folded, run)
    for conv_name, norm_name in pairs:
        conv, norm = folded.get_submodule(conv_name), folded.get_submodule(norm_name)
        _replace(folded, conv_name, fuse_conv_bn_eval(conv, norm))  # pyright: ignore
        _replace(folded, norm_name, _what_is_left(norm))
    if not pairs:
        return network, 0
    if not same(run(network), run(folded)):
        _logger.info(
            "The network's batch norms cannot be folded into its convolutions, so it runs more "
            "slowly: what comes out would differ by more than rounding."
        )
        return network, 0
    return folded, len(pairs)


def _pairs(network: N, run: Callable[[N], Tensor]) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the batch norms that are fed their very output."""
    made_by: dict[int, str] = {}
    kept: list[Tensor] = []  # keeps ids from being used again
    calls: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []

    def note_conv(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            kept.append(output)
            made_by[id(output)] = name

        return hook

    def note_norm(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[name] = calls.get(name, 0) + 1
            if conv := made_by.get(id(inputs[0])):
                pairs.append((conv, name))

        return hook

    handles = [
        module.register_forward_hook(note_conv(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    ] + [
        module.register_forward_pre_hook(note_norm(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]
    run(network)
    for handle in handles:
        handle.remove()
    return [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]


def _what_is_left(norm: nn.Module) -> nn.Module:
    """Return what a batch norm does besides scaling: timm's have an activation inside."""
    return getattr(norm, "act", None) or nn.Identity()


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)


def same(expected: Tensor, got: Tensor) -> bool:
    """Tell whether two outputs differ only by what re-ordered sums in 32 bits may."""
    unknown = expected.isnan()
    if not torch.equal(unknown, got.isnan()):
        return False
    difference = (expected - got)[~unknown].abs()
    tolerance = _TOLERANCE_ON_A_GPU if expected.is_cuda else _TOLERANCE
    return bool((difference <= tolerance * expected[~unknown].abs().max()).all())
