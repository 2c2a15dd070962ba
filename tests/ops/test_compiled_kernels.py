"""Every kernel becomes machine code for old GPUs and new ones; none is needed for that."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from lightning_pose.ops.yuv import YuvToRgb

triton = pytest.importorskip("triton")
runtime: Any = pytest.importorskip("triton.runtime")
GPUTarget: Any = pytest.importorskip("triton.backends.compiler").GPUTarget

CAPABILITIES = (75, 80, 90, 120)  # T4, A100, H100 and H200, RTX 50
STARTED = re.compile(r"(\w+)\[[^\[\]]+\]\(\n? *\w+[.,]")  # kernel[grid](first argument,
FLOATS = (torch.float32, torch.bfloat16)


class Compiled(NamedTuple):
    name: str
    capability: int
    fuses_products: bool
    size: int


class NoDriver:
    """What Triton asks of a GPU's driver before it compiles."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return 1000 + self.capability  # what is compiled is kept by this number

    def get_current_stream(self, _device: int) -> int:
        return 0


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Compiled]:
    """Let kernels be compiled where they would be started; return the list they are put on."""
    run = runtime.JITFunction.run
    made: list[Compiled] = []

    def compile_only(kernel: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        del warmup
        code = run(kernel, *args, grid=grid, warmup=True, **kwargs)
        capability, fuses = code.metadata.target.arch, code.metadata.enable_fp_fusion
        made.append(Compiled(kernel.fn.__name__, capability, fuses, len(code.asm["cubin"])))
        return code

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))  # or nothing might be compiled anew
    monkeypatch.setattr(runtime.JITFunction, "run", compile_only)
    return made


def maps(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.zeros(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)


def use_all(dtype: torch.dtype) -> None:
    """Call whatever starts kernels, with maps of a type."""
    names = ("feature", "heatmap", "resize", "trial", "yuv")
    features, heatmaps, resizing, trial, yuv = (
        importlib.import_module(f"lightning_pose.ops.{name}_kernels") for name in names
    )
    features.quarter_pixels(maps(2, 3, 8, 12, dtype=dtype))
    features.bias_relu_max_pool(maps(2, 64, 9, 13, dtype=dtype), torch.zeros(64), 8, 12)
    features.side_by_side(maps(2, 24, 8, 8, dtype=dtype), maps(2, 40, 4, 4, dtype=dtype))
    features.shuffle_pixels(maps(2, 64, 4, 4, dtype=dtype))
    heatmaps.softmax_of_phases(
        maps(2, 3 * 16, 17, 17, dtype=torch.float32), torch.zeros(3, 64, 64)
    )
    heatmaps.locate_peaks(torch.zeros(2, 3, 64, 64), sigma=1.25, radius=2, whole=4)
    frames = torch.zeros(2, 40, 30, 3, dtype=torch.uint8)
    resizing.resize_and_normalise(frames, 16, 16, mean=(0.0,) * 3, std=(1.0,) * 3, dtype=dtype)
    trial.works(torch.device("cpu"))
    yuv.nv12_at_to_rgb(torch.zeros(2, dtype=torch.int64), frames, YuvToRgb.of(1))
    for adds in (False, True):
        use_batch_norm(maps(2, 64, 8, 8, dtype=dtype), adds=adds)


def use_batch_norm(x: Tensor, *, adds: bool) -> None:
    norm = importlib.import_module("lightning_pose.ops.triton_batch_norm")
    weight, bias = torch.ones(64).requires_grad_(), torch.zeros(64).requires_grad_()
    moments = torch.zeros(64), torch.ones(64)
    y = norm.BatchNormActivation.apply(
        x.requires_grad_(), weight, bias, x if adds else None, *moments, 0.1, 1e-5, norm.RELU
    )
    y.sum().backward()


def kernels_written() -> set[str]:
    """Return the names of all kernels that are started somewhere."""
    (folder,) = importlib.import_module("lightning_pose.ops").__path__
    return {
        name for path in Path(folder).glob("*.py") for name in STARTED.findall(path.read_text())
    }


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_all_kernels_compile(
    compiled: list[Compiled], monkeypatch: pytest.MonkeyPatch, capability: int
) -> None:
    monkeypatch.setattr(runtime.driver, "_active", NoDriver(capability))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in FLOATS:
            use_all(dtype)
    assert {it.capability for it in compiled} == {capability}
    assert all(it.fuses_products and it.size for it in compiled)
    assert {it.name for it in compiled} == kernels_written()
