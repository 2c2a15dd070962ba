"""Videos that are changed while they are read, or that libraries stumble over, and their batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copyfile
from unittest.mock import create_autospec

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from lightning_pose.contracts.errors import VideoError
from lightning_pose.inference.model import Model
from lightning_pose.inference.row_store import RowStore
from lightning_pose.video import decode
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import packets_of
from tests.inference.test_predict_files import names_in, number_model, numbers, predict
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return number_model(tmp_path / "run")


@pytest.mark.parametrize("replaced", [True, False])
def test_nothing_is_kept_of_a_video_that_changes_meanwhile(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    video, out = tmp_path / "v.mp4", tmp_path / "out"
    copyfile(corpus("plain.mp4"), video)
    add = RowStore.add

    def add_and_change(store: RowStore, frame_ids: np.ndarray, *values: np.ndarray) -> None:
        add(store, frame_ids, *values)
        other = corpus("gop10.mp4").read_bytes()
        if replaced:
            (tmp_path / "new").write_bytes(other)
            (tmp_path / "new").replace(video)
        else:
            video.write_bytes(other)

    with monkeypatch.context() as patch:
        patch.setattr(RowStore, "add", add_and_change)
        done = predict(model, video, corpus("index_first.mp4"), out=out)
    one, other = sorted(done, key=lambda outcome: outcome.failed is None)
    assert "changed while it was predicted" in str(one.failed)
    assert other.failed is None
    assert names_in(out) == {"index_first.csv", "index_first.litpose.json"}
    (again,) = predict(model, video, out=out)
    assert not again.skipped
    assert numbers(again.predictions[0]) == list(range(NUM_FRAMES))


def test_tracks_that_appear_midway_end_no_video_with_an_error(
    corpus: Corpus, tmp_path: Path
) -> None:
    for part in (0.3, 0.5, 0.7, 0.9):
        data = bytearray(corpus("plain.ts").read_bytes())
        begin = int(len(data) * part) // 188 * 188
        data[begin + 2] ^= 1  # this packet is of another track now
        video = tmp_path / f"{part}.ts"
        video.write_bytes(data)
        assert NUM_FRAMES - 9 <= sum(1 for _ in Decoder(video)) <= NUM_FRAMES


def test_packets_end_where_pyav_looks_up_a_track_that_it_does_not_know() -> None:
    def packets(stream: VideoStream) -> Iterator[str]:
        yield from ("first", "last")
        raise IndexError("list index out of range")

    container = create_autospec(InputContainer, instance=True)
    container.demux = packets
    stream = create_autospec(VideoStream, instance=True)
    assert list(packets_of(container, stream)) == ["first", "last"]


def test_packets_of_impossible_size_end_a_video_with_a_sentence(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
        raise MemoryError
        yield

    monkeypatch.setattr(decode, "packets_of", fail)
    with pytest.raises(VideoError, match="claims more memory"):
        list(Decoder(corpus("plain.mp4")))


def test_a_link_in_a_circle_stops_one_video_only(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    copyfile(corpus("plain.mp4"), folder / "a.mp4")
    (folder / "b.mp4").symlink_to("b.mp4")
    done = predict(model, folder, out=tmp_path / "out")
    failed = {outcome.inputs[0].path.name: outcome.failed for outcome in done}
    assert failed["a.mp4"] is None
    assert "b.mp4 cannot be read" in str(failed["b.mp4"])


def test_names_with_a_colon_are_no_protocols(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("2024-01-01T12:30:05.mp4", "concat:x.mp4", "file:y.mp4"):
        copyfile(corpus("plain.mp4"), name)
        (outcome,) = predict(model, Path(name), out=tmp_path / "out")
        assert outcome.num_frames == NUM_FRAMES
