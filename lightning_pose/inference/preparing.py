"""Making a trained tracker ready to predict fast, without changing what it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from lightning_pose.contracts.batches import VideoBatch
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import fold_batch_norms, same
from lightning_pose.inference.fused_layers import fuse_layers
from lightning_pose.inference.onnx_backbone import OnnxBackbone, in_onnx_runtime
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.network_input import NetworkInput

N = TypeVar("N", bound=BaseSupervisedTracker)
_SMALLEST = 1e-30


def prepared(tracker: N, compute: Compute, *, compiled: bool = False) -> N:
    """Return the tracker in evaluation mode, on its device, folded, and made faster beyond that.

    On a GPU layers are fused, or torch compiles them. On a CPU that computes in 32 bits ONNX
    Runtime runs the backbone.

    Args:
        tracker: a trained one.
        compute: where and in which arithmetic it is to run.
        compiled: whether torch compiles it when it is first used, instead of cuDNN fusing what
            it can.
    """
    tracker = tracker.eval().to(compute.device)
    spec, views = tracker.data_spec, max(1, len(tracker.spec.view_names))
    shape = (spec.context, spec.height, spec.width, 3)
    pattern = torch.arange(math.prod(shape)).remainder(251).to(torch.uint8).view(shape)
    raw = RawFrames(frames=pattern, frame_ids=torch.zeros(1, dtype=torch.long), halo=spec.halo)
    batch = NetworkInput(spec, device=compute.device)([raw] * views)

    def scores(network: BaseSupervisedTracker) -> Tensor:
        # Not the keypoints of heatmaps: of two pixels that are equally high rounding takes one.
        with torch.inference_mode():
            maps = _log_heatmaps(network, batch)
            centred = [part - part.mean(dim=(-2, -1), keepdim=True) for part in maps]
            return torch.cat([part.flatten() for part in centred or network.predict_batch(batch)])

    def features(network: BaseSupervisedTracker) -> Tensor:
        with torch.inference_mode(), compute.active():
            return network.extract(batch.frames).float()

    def features_and_maps(network: BaseSupervisedTracker) -> list[Tensor]:
        with torch.inference_mode(), compute.active():
            return [features(network), *_log_heatmaps(network, batch)]

    folded = fold_batch_norms(tracker, scores)[0].to(memory_format=torch.channels_last)
    ready = compute.with_weights(folded)
    if compiled:
        for part in ready.children():
            part.compile(dynamic=False)
    elif compute.device.type == "cuda":
        fuse_layers(ready, features_and_maps)
    elif compute.precision == "fp32":
        expected, backbone = features(ready), ready.backbone
        ready.backbone = in_onnx_runtime(backbone, batch.frames.flatten(0, 1))
        if not same(expected, features(ready)):
            ready.backbone = backbone
    return ready


def _log_heatmaps(network: BaseSupervisedTracker, batch: VideoBatch) -> list[Tensor]:
    """Return the logarithms of the heatmaps of each head: its scores, but for a constant."""
    predict: Callable[[VideoBatch], Any] | None = getattr(network, "predict_heatmaps", None)
    if predict is None:
        return []
    maps = predict(batch)
    return [
        head.float().clamp(min=_SMALLEST).log()
        for head in (maps if isinstance(maps, tuple) else (maps,))
    ]


def arithmetic_of(tracker: BaseSupervisedTracker, compute: Compute) -> str:
    """Return in which arithmetic it computes, and what runs the backbone if torch does not."""
    in_onnx = isinstance(tracker.backbone, OnnxBackbone)
    return compute.precision + " in ONNX Runtime" * in_onnx
