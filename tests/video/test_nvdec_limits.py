"""A GPU is asked once what it decodes, in the context that torch uses."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_pose.video import nvdec_limits
from lightning_pose.video.nvdec_limits import limits_on
from lightning_pose.video.nvdec_rules import LIMITS, Limits


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    limits_on.cache_clear()
    yield
    limits_on.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], int]], None]:
    """Return what puts a function in the place of the driver's."""
    monkeypatch.setattr(torch.cuda, "synchronize", lambda gpu: None)
    monkeypatch.setattr(torch.cuda, "device", lambda gpu: contextlib.nullcontext())

    def use(answer: Callable[[Any], int]) -> None:
        library = SimpleNamespace(cuvidGetDecoderCaps=lambda caps: answer(caps._obj))
        monkeypatch.setattr(ctypes, "CDLL", lambda name: library)

    return use


def test_a_gpu_is_asked_once_a_codec(driver: Callable[[Callable[[Any], int]], None]) -> None:
    asked: list[int] = []

    def answer(caps: Any) -> int:
        assert (caps.chroma_format, caps.bit_depth_minus_8) == (1, 0)
        asked.append(caps.codec)
        caps.supported = caps.codec == 4
        caps.min_width, caps.min_height, caps.max_width, caps.max_height = 48, 16, 64, 32
        caps.max_num_blocks = 7
        return 0

    driver(answer)
    for _ in range(2):
        taken = Limits(smallest=(48, 16), largest=(64, 32), num_blocks=7)
        assert limits_on(0, "h264") == taken
        assert limits_on(0, "hevc") is None
    assert asked == [4, 8]


def test_where_the_driver_does_not_tell_it_is_what_is_known(
    driver: Callable[[Callable[[Any], int]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(lambda caps: 1)
    assert limits_on(1, "h264") == LIMITS["h264"]

    def absent(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert limits_on(1, "hevc") == LIMITS["hevc"]


def test_the_answer_has_the_size_that_the_driver_fills() -> None:
    caps = nvdec_limits._Caps
    assert ctypes.sizeof(caps) == 88
    assert (caps.supported.offset, caps.max_width.offset, caps.min_width.offset) == (24, 28, 40)


@pytest.mark.gpu
@pytest.mark.parametrize("codec", LIMITS)
def test_it_is_what_pynvvideocodec_says(codec: str) -> None:
    library: Any = importlib.import_module("PyNvVideoCodec")
    named = getattr(library.cudaVideoCodec, codec.upper())
    caps = library.GetDecoderCaps(gpuid=0, codec=named)
    assert limits_on(0, codec) == Limits(
        smallest=(caps["width_min"], caps["height_min"]),
        largest=(caps["width_max"], caps["height_max"]),
        num_blocks=caps["mb_num_max"],
    )


@pytest.mark.gpu
def test_what_is_known_of_sizes_is_what_the_gpu_says() -> None:
    for codec, known in LIMITS.items():
        found = limits_on(0, codec)
        assert found is not None
        assert found.take(*known.smallest)
        assert found.take(*known.largest)
