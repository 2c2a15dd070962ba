"""Whether kernels can be had is found out once, and said in one sentence."""

from __future__ import annotations

import importlib
import logging
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from lightning_pose.ops import kernels
from lightning_pose.ops.kernels import kernel_module, why_no_kernels

GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    why_no_kernels.cache_clear()
    kernel_module.cache_clear()
    yield
    why_no_kernels.cache_clear()
    kernel_module.cache_clear()


def try_instead(works: Callable[[torch.device], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something else in the place of the kernel that is tried, on a GPU that is said to be."""
    known = importlib.import_module

    def import_module(name: str) -> object:
        return SimpleNamespace(works=works) if name.endswith("trial_kernels") else known(name)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(kernels.importlib, "import_module", import_module)


def test_without_a_gpu_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert why_no_kernels(0) == "There is no GPU here."
    assert kernel_module("heatmap_kernels", GPU) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("Failed to find C compiler.\nPlease"), "Failed to find C compiler"),
        (subprocess.CalledProcessError(1, "gcc"), "returned non-zero exit status 1"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_where_a_kernel_cannot_be_started_torch_does_the_work(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(device: torch.device) -> bool:
        raise error

    try_instead(fail, monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert kernel_module("heatmap_kernels", GPU) is None
        assert kernel_module("resize_kernels", GPU) is None
    assert said in (why_no_kernels(0) or "")
    assert len(caplog.records) == 1


def test_one_that_counts_wrong_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    try_instead(lambda device: False, monkeypatch)
    assert "what it computes is wrong" in (why_no_kernels(0) or "")


def test_each_gpu_is_tried_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[torch.device] = []

    def works(device: torch.device) -> bool:
        tried.append(device)
        return device.index == 1

    try_instead(works, monkeypatch)
    other = torch.device("cuda", 1)
    for _ in range(2):
        assert kernel_module("heatmaps", GPU) is None
        assert kernel_module("heatmaps", other) is not None
    assert tried == [GPU, other]
    assert kernel_module("heatmaps", torch.device("cpu")) is None


@pytest.mark.gpu
def test_on_a_gpu_with_triton_they_are_there() -> None:
    assert why_no_kernels(0) is None
    assert kernel_module("heatmap_kernels", GPU) is not None
