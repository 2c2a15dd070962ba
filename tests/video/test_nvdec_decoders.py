"""Decoders are used again and again, also those that something went wrong with; no GPU needed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch

from lightning_pose.video import nvdec_decoders
from lightning_pose.video.nvdec_decoders import Decoder, Decoders, limits_on
from lightning_pose.video.nvdec_rules import Limits
from lightning_pose.video.segments import DamagedError


class FakeDecoder:
    """What PyNvVideoCodec makes: notes what is done with it, and fails at what it is told to."""

    made: ClassVar[list[FakeDecoder]]
    fails_at: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, path: str, *_: object, **__: object) -> None:
        self.paths, self.ended = [path], False
        self.made.append(self)

    def reconfigure_decoder(self, path: str, number: int) -> None:
        if "reconfigure" in self.fails_at:
            raise RuntimeError("not this one")
        self.paths.append(path)

    def end(self) -> None:
        self.ended = True
        if "end" in self.fails_at:
            raise RuntimeError("cannot end")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeDecoder]:
    class Fake(FakeDecoder):
        made: ClassVar[list[FakeDecoder]] = []

    class Codec:
        ThreadedDecoder = Fake

    class Stream:
        cuda_stream = 1

        def __init__(self, *_: object, **__: object) -> None:
            pass

    monkeypatch.setattr(nvdec_decoders, "_codec", lambda: Codec)
    monkeypatch.setattr(nvdec_decoders, "room_on", lambda gpu: 100)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    return Fake


def test_a_decoder_is_used_again_after_an_error(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()

    def use(path: str, error: Exception | None = None) -> None:
        with decoders.one(0, buffered=8, num_bytes=1) as decoder:
            decoder._open(Path(path), 0)
            if error is not None:
                raise error

    with pytest.raises(DamagedError):
        use("damaged", DamagedError("a picture"))
    use("next")
    (made,) = fake.made
    assert made.paths == ["damaged", "next"]
    assert not made.ended


def test_one_that_cannot_go_on_is_made_anew(
    fake: type[FakeDecoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(0, 8)
    decoder._open(Path("a"), 0)
    monkeypatch.setattr(fake, "fails_at", frozenset(("reconfigure", "end")))
    with pytest.raises(DamagedError, match="cannot end"):
        decoder._open(Path("b"), 0)
    decoder._open(Path("c"), 0)
    monkeypatch.setattr(fake, "fails_at", frozenset(("reconfigure",)))
    decoder._open(Path("d"), 0)
    assert [made.paths for made in fake.made] == [["a"], ["c"], ["d"]]
    assert [made.ended for made in fake.made] == [True, True, False]


def test_a_gpu_is_asked_what_it_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []

    class Codec:
        class cudaVideoCodec:
            H264, HEVC = "taken", "not"

        @staticmethod
        def GetDecoderCaps(*, gpuid: int, codec: str) -> dict[str, int]:
            asked.append((gpuid, codec))
            if gpuid:
                raise RuntimeError("no such GPU")
            known = {"width_min": 48, "height_min": 16, "width_max": 64, "height_max": 32}
            return {**known, "mb_num_max": 7, "supported": codec == "taken"}

    monkeypatch.setattr(nvdec_decoders, "_codec", lambda: Codec)
    limits_on.cache_clear()
    try:
        for _ in range(2):
            taken = Limits(smallest=(48, 16), largest=(64, 32), num_blocks=7)
            assert limits_on(0, "h264") == taken
            assert limits_on(0, "hevc") is None
        assert asked == [(0, "taken"), (0, "not")]
        with pytest.raises(DamagedError, match="no such GPU"):
            limits_on(1, "h264")
    finally:
        limits_on.cache_clear()
