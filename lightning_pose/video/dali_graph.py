"""The DALI graph that makes the network's input from decoded frames, on the CPU or on a GPU.

Frames come from outside (PyAV decodes them), because DALI's own decoders take no H.264 on a CPU.
DALI is imported only when a graph is made: it takes half a second.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.video.sequence_input import SequenceChange, add_noise

_THREADS = 2


class DaliSequenceInput:
    """Resize, affine, brightness and contrast, and normalisation as one DALI graph.

    Args:
        spec: size and normalisation of the network's input.
        device: where the graph runs and its result lies.
    """

    takes_device_frames = False

    def __init__(self, spec: DataSpec, *, device: torch.device | str = "cpu") -> None:
        self.spec = spec
        self.device = torch.device(device)
        self._plain = _graph(spec, self.device, changing=False)
        self._changing = _graph(spec, self.device, changing=True)

    def __call__(
        self, frames: UInt8[Tensor, "t height width 3"], change: SequenceChange | None = None
    ) -> Float[Tensor, "t 3 net_height net_width"]:
        """Return the network's input, on its device, channels-last in memory."""
        pixels = frames.cpu().numpy()  # DALI asks a GPU for its stream when given a torch tensor
        if change is None:
            return self._run(self._plain, frames=pixels)
        images = self._run(
            self._changing,
            frames=pixels,
            matrix=_from_pixel_corners(change.out_to_net),
            brightness=np.float32(change.brightness),
            contrast=np.float32(change.contrast),
        )
        return add_noise(images, change, self.spec.std)

    def _run(self, graph: Any, **inputs: Any) -> Float[Tensor, "t 3 net_height net_width"]:
        # The result is copied: its memory is the graph's own and used again in the next run.
        batch = {name: [value] for name, value in inputs.items()}
        if self.device.type == "cpu":
            (output,) = graph.run(**batch)
        else:
            (output,) = graph.run(torch.cuda.current_stream(self.device), **batch)
        return torch.from_dlpack(output[0]).clone().permute(0, 3, 1, 2)


def _from_pixel_corners(out_to_net: Float[Tensor, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """Return an affine as DALI reads it: its pixel centres are at .5, ours at integers.

    With x' = x + .5, A x + t becomes A (x' - .5) + t + .5.
    """
    linear, shift = out_to_net[:, :2].double(), out_to_net[:, 2].double()
    shift = shift + 0.5 - (linear * 0.5).sum(-1)
    return torch.cat([linear, shift[:, None]], -1).float().cpu().numpy()


def dali_modules() -> tuple[Any, Any, Any]:
    """Return DALI's modules ``fn``, ``types`` and ``pipeline``; its type stubs are incomplete."""
    fn, types, pipeline = (
        importlib.import_module(f"nvidia.dali.{name}") for name in ("fn", "types", "pipeline")
    )
    return fn, types, pipeline


def _graph(spec: DataSpec, device: torch.device, *, changing: bool) -> Any:
    fn, types, pipeline = dali_modules()
    index = None if device.type == "cpu" else (device.index or 0)
    graph = pipeline.Pipeline(
        batch_size=1, num_threads=_THREADS, device_id=index, prefetch_queue_depth=1
    )
    with graph:
        frames = fn.external_source(name="frames", layout="FHWC", dtype=types.UINT8)
        if index is not None:
            frames = frames.gpu()
        images = fn.resize(frames, size=(spec.height, spec.width), antialias=True)
        if changing:
            matrix = fn.external_source(name="matrix", dtype=types.FLOAT, ndim=2)
            brightness = fn.external_source(name="brightness", dtype=types.FLOAT, ndim=0)
            contrast = fn.external_source(name="contrast", dtype=types.FLOAT, ndim=0)
            images = fn.warp_affine(images, matrix=matrix, fill_value=0, dtype=types.FLOAT)
            # Bytes cut off at 0 and 255 by themselves; clamping floats takes as long as all else.
            images = fn.brightness_contrast(
                images,
                brightness=brightness,
                contrast=contrast,
                contrast_center=127.5,
                dtype=types.UINT8,
            )
        graph.set_outputs(
            fn.crop_mirror_normalize(
                images,
                mean=[255 * value for value in spec.mean],
                std=[255 * value for value in spec.std],
                dtype=types.FLOAT,
                output_layout="FHWC",
            )
        )
    graph.build()
    return graph
