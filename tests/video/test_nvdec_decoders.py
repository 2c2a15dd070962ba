"""Decoders are used again and again, also those that something went wrong with; no GPU needed."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from lightning_pose.video import nvdec_decoders
from lightning_pose.video.excerpt import Span, spans
from lightning_pose.video.info import probe
from lightning_pose.video.nvdec_decoders import Decoder, DecoderKind, Decoders
from lightning_pose.video.sample_table import trusted_table
from lightning_pose.video.segments import DamagedError


def kind(*, width: int = 1, codec: str = "h264", gpu: int = 0) -> DecoderKind:
    return DecoderKind(gpu, 8, codec, (width, 1), (16, 16))


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
        with decoders.one(kind(), num_bytes=1) as decoder:
            decoder._open(Path(path), 0)
            if error is not None:
                raise error

    with pytest.raises(DamagedError):
        use("damaged", DamagedError("a picture"))
    use("next")
    (made,) = fake.made
    assert made.paths == ["damaged", "next"]
    assert not made.ended


def test_a_decoder_goes_on_to_videos_of_its_kind_while_there_is_room(
    fake: type[FakeDecoder],
) -> None:
    decoders = Decoders()  # where 25 bytes may be those of idle ones of other kinds

    def use(wanted: DecoderKind) -> Decoder:
        with decoders.one(wanted, num_bytes=1) as decoder:
            return decoder

    first, second = use(kind()), use(kind(codec="hevc"))
    assert first is not second
    assert use(kind(width=2)) not in (first, second)
    assert use(kind(gpu=1)) not in (first, second)
    assert use(kind()) is first
    assert use(kind(codec="hevc")) is second
    oldest = use(kind(width=3))  # for which there is none any more
    assert oldest.kind == kind(width=3)
    assert oldest not in (first, second)


def test_decoders_that_wait_take_room_too(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()  # with room for 100 bytes
    for idle in (kind(), kind(codec="hevc")):
        with decoders.one(idle, num_bytes=1):
            pass
    other, begun = kind(width=2), threading.Event()

    def read() -> None:
        with decoders.one(other, num_bytes=20):
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        with decoders.one(other, num_bytes=60):  # 60 and 20, and 24 that wait
            reading = pool.submit(read)
            assert not begun.wait(0.2)
        reading.result(timeout=60)


def test_gpus_do_not_wait_for_one_another(fake: type[FakeDecoder]) -> None:
    decoders, begun = Decoders(), threading.Event()

    def read() -> None:
        with decoders.one(kind(gpu=1), num_bytes=80):
            begun.set()

    with ThreadPoolExecutor(1) as pool, decoders.one(kind(), num_bytes=80):
        pool.submit(read)
        assert begun.wait(60)


def test_room_that_another_thread_gives_back_is_free(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()

    def read(num_bytes: int) -> Iterator[bool]:
        with decoders.one(kind(), num_bytes=num_bytes):
            yield decoders._lent[0] == [num_bytes]

    reading = read(80)
    assert next(reading)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(reading.close).result()  # pyright: ignore
    assert next(read(90))


def test_videos_of_a_session_do_not_wait_for_one_another(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()  # with room for 100 bytes
    both_wait = threading.Barrier(3)

    def read(num_views: int, num_bytes: int) -> int:
        both_wait.wait()
        with decoders.room(0, num_views * num_bytes, ()), contextlib.ExitStack() as views:
            lent = [decoders.one(kind(), num_bytes=num_bytes) for _ in range(num_views)]
            return len({id(views.enter_context(decoder)) for decoder in lent})

    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(read, *those) for those in ((2, 40), (2, 40), (3, 70))]
        assert [future.result(timeout=60) for future in found] == [2, 2, 3]
    assert not any(decoders._lent.values())


def test_room_is_given_back_where_no_decoder_can_be_made(
    fake: type[FakeDecoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    decoders = Decoders()
    monkeypatch.setattr(torch.cuda, "Stream", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError), decoders.one(kind(), num_bytes=70):
            pass
    assert not any(decoders._lent.values())


def test_one_that_cannot_go_on_is_made_anew(
    fake: type[FakeDecoder], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decoder = Decoder(kind())
    decoder._open(Path("a"), 0)
    monkeypatch.setattr(fake, "fails_at", frozenset(("reconfigure", "end")))
    with pytest.raises(DamagedError, match="cannot end"):
        decoder._open(Path("b"), 0)
    decoder._open(Path("c"), 0)
    monkeypatch.setattr(fake, "fails_at", frozenset(("reconfigure",)))
    caplog.set_level(logging.DEBUG)
    decoder._open(Path("d"), 0)
    (told,) = caplog.messages
    assert told == "A decoder cannot go on to d; another is made: not this one"
    assert [made.paths for made in fake.made] == [["a"], ["c"], ["d"]]
    assert [made.ended for made in fake.made] == [True, True, False]


def test_as_many_are_made_beforehand_as_are_wanted_in_all(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()

    def prepared(wanted: DecoderKind) -> bool:
        with decoders.another(wanted, at_most=3) as decoder:
            return decoder is not None

    with decoders.one(kind(), num_bytes=1), decoders.one(kind(), num_bytes=1):
        assert [prepared(kind()) for _ in range(3)] == [True, False, False]
        assert prepared(kind(width=2))
    assert not prepared(kind())
    lent = [decoders.one(kind(), num_bytes=1) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        assert len({id(stack.enter_context(one)) for one in lent}) == 3
    assert len(decoders._all) == 4


def test_who_reads_waits_for_one_that_is_being_made(fake: type[FakeDecoder]) -> None:
    decoders, begun = Decoders(), threading.Event()

    def read() -> Decoder:
        begun.set()
        with decoders.one(kind(), num_bytes=1) as decoder:
            return decoder

    with ThreadPoolExecutor(1) as pool:
        with decoders.another(kind(), at_most=3) as coming:
            with decoders.one(kind(width=2), num_bytes=1) as other:  # does not wait
                assert other is not coming
            reading = pool.submit(read)
            assert begun.wait(60)
            time.sleep(0.05)
            assert not reading.done()
        assert reading.result(timeout=60) is coming
    assert len(decoders._all) == 2


def test_who_waits_for_one_takes_another_that_is_ready_sooner(fake: type[FakeDecoder]) -> None:
    decoders, begun = Decoders(), threading.Event()

    def read() -> Decoder:
        begun.set()
        with decoders.one(kind(), num_bytes=1) as decoder:
            return decoder

    lent = decoders.one(kind(), num_bytes=1)
    first = lent.__enter__()
    with ThreadPoolExecutor(1) as pool, decoders.another(kind(), at_most=3):
        reading = pool.submit(read)
        assert begun.wait(60)
        lent.__exit__(None, None, None)
        assert reading.result(timeout=60) is first


def test_where_making_one_fails_nobody_waits_for_it(fake: type[FakeDecoder]) -> None:
    decoders = Decoders()
    with pytest.raises(DamagedError), decoders.another(kind(), at_most=3):
        raise DamagedError("no frame")
    with decoders.one(kind(), num_bytes=1), decoders.one(kind(), num_bytes=1):
        assert len(decoders._all) == 2


def test_one_is_made_at_a_time(fake: type[FakeDecoder], monkeypatch: pytest.MonkeyPatch) -> None:
    making, most = [0], [0]
    init = fake.__init__

    def slow(self: FakeDecoder, *args: object, **options: object) -> None:
        making[0] += 1
        most[0] = max(most[0], making[0])
        time.sleep(0.01)
        making[0] -= 1
        init(self, "v")

    monkeypatch.setattr(fake, "__init__", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Decoder(kind())._open(Path("v"), 0), range(4)))
    assert (len(fake.made), most) == (4, [1])


def test_where_references_were_lost_nothing_is_decoded(
    fake: type[FakeDecoder], corpus: Callable[[str], Path]
) -> None:
    video = corpus("lost.mp4")
    table = trusted_table(probe(video))
    assert table is not None
    decoder, (whole, *_) = Decoder(kind()), spans(table, 0, table.num_frames)
    with pytest.raises(DamagedError, match=r"lost\.mp4 lacks reference frames"):
        decoder.begin(video, table, whole)
    assert not fake.made
    decoder.begin(video, table, Span(0, 20, 20))
    assert len(fake.made) == 1
