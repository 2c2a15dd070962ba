"""Many inputs, several workers: shares, claims, and files written meanwhile, in parts."""

from __future__ import annotations

import errno
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts import file_locks
from lightning_pose.contracts.errors import ConfigError, WriteError
from lightning_pose.contracts.file_locks import FileLock
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference import rows
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import Input, Kind, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.products import Products
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.rows import StoredRows
from lightning_pose.inference.session import Session
from lightning_pose.inference.shard import Shard
from lightning_pose.inference.work import Source
from lightning_pose.metrics.build import table_of
from lightning_pose.metrics.temporal_norm import TemporalNorm
from lightning_pose.metrics.views import computed_by_view
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.decode import count_frames
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.segments import DamagedError, Segment
from tests.inference.batch_worker import number_run
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]
NAMES = tuple("abcdefghijklmnopq")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    files = ModelFiles.find(number_run(tmp_path / "run"))
    return Model(number_tracker(), compute=Compute.choose(device="cpu"), files=files)


@pytest.fixture
def folder(corpus: Corpus, tmp_path: Path) -> Path:
    """Return a folder of three videos."""
    (tmp_path / "videos").mkdir()
    for number in range(3):
        copy = tmp_path / "videos" / f"v{number}.mp4"
        copy.write_bytes(corpus("plain.mp4").read_bytes())
    return tmp_path / "videos"


def predict(model: Model, folder: Path, out: Path, **wishes: object) -> dict[str, Outcome]:
    outputs = OutputSettings(**wishes)
    found = predict_files(model, expand_inputs([folder]), out=out, outputs=outputs)
    return {outcome.inputs[0].path.name: outcome for outcome in found}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_shares_are_equal_and_together_all() -> None:
    sessions = [(Input(kind=Kind.VIDEO, path=Path(f"v{i}.mp4")),) for i in range(10)]
    shares = [Shard(number=i, of=3).members(sessions) for i in (1, 2, 3)]
    assert sorted(len(share) for share in shares) == [3, 3, 4]
    assert set.union(*shares) == set(range(10))


def test_a_share_does_not_hang_on_the_order_in_which_inputs_are_named() -> None:
    sessions = [(Input(kind=Kind.VIDEO, path=Path(f"v{i}.mp4")),) for i in range(7)]
    turned = sessions[::-1]
    share = Shard(number=2, of=3)
    assert {sessions[i] for i in share.members(sessions)} == {
        turned[i] for i in share.members(turned)
    }


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "1/2/3", "-1/2", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"as in --shard 2/8, got"):
        Shard.parse(text)


def test_the_views_of_a_session_stay_in_one_share(corpus: Corpus, tmp_path: Path) -> None:
    files = ModelFiles.find(number_run(tmp_path / "run"))
    compute = Compute.choose(device="cpu")
    model = Model(number_tracker(view_names=("top", "side")), compute=compute, files=files)
    (tmp_path / "videos").mkdir()
    for name in ("s1_top", "s1_side", "s2_top", "s2_side", "s3_top"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    inputs = expand_inputs([tmp_path / "videos"])
    found = [
        [
            (sorted(item.path.stem for item in outcome.inputs), outcome.failed is None)
            for outcome in predict_files(
                model, inputs, out=tmp_path / "out", shard=Shard(number=number, of=2)
            )
        ]
        for number in (1, 2)
    ]
    assert found == [
        [(["s3_top"], False), (["s1_side", "s1_top"], True)],
        [(["s2_side", "s2_top"], True)],
    ]


def test_an_input_that_is_claimed_is_left_alone(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    claim = FileLock(ResultFiles(out, "v1").claim, leave_file=False)
    assert claim.take() == ""
    found = predict(model, folder, out)
    assert found["v1.mp4"].claimed_by.startswith("process ")
    assert found["v1.mp4"].failed is None
    assert {name for name in names_in(out) if name.endswith(".csv")} == {"v0.csv", "v2.csv"}
    claim.release()
    again = predict(model, folder, out)
    assert {name: outcome.skipped for name, outcome in again.items()} == {
        "v0.mp4": True,
        "v1.mp4": False,
        "v2.mp4": True,
    }
    assert not list(out.glob(".*"))


def test_an_input_that_is_claimed_for_another_model_has_failed(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    files = ResultFiles(out, "v1")
    claim = FileLock(files.claim, leave_file=False)
    assert claim.take() == ""
    RowStore(files.rows, key="of another model", keypoint_names=NAMES).close()
    found = predict(model, folder, out)
    claim.release()
    assert "v1 is being predicted by process " in str(found["v1.mp4"].failed)
    assert "with another model" in str(found["v1.mp4"].failed)
    assert found["v2.mp4"].failed is None
    assert RowStore.key_at(files.rows) == "of another model"


def test_a_disk_without_locks_is_told_of_and_used(
    model: Model,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    found = predict(model, folder, tmp_path / "out")
    assert all(outcome.failed is None for outcome in found.values())
    assert [record.getMessage() for record in caplog.records] == [
        f"The disk of {tmp_path / 'out'} knows no locks, so nothing keeps a second worker from "
        "predicting the same videos."
    ]
    assert not list((tmp_path / "out").glob(".*claim"))


def test_rows_that_are_there_are_not_predicted_again(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def refuse(*_: object) -> Path:
        raise WriteError("no more space")

    with monkeypatch.context() as patch:
        patch.setattr("lightning_pose.inference.products.write_metric_csv", refuse)
        broken = predict(model, folder, out, metrics=(TemporalNorm(),))
    assert {str(outcome.failed) for outcome in broken.values()} == {"no more space"}
    assert {".v0.litpose-rows", "v0.csv"} <= names_in(out)
    monkeypatch.setattr(Session, "open", None)
    monkeypatch.setattr(Predictions, "read", None)  # the rows need not be read from the csv
    found = predict(model, folder, out, metrics=(TemporalNorm(),))
    assert all(outcome.failed is None for outcome in found.values())
    assert "v0_temporal_norm.csv" in names_in(out)
    assert not list(out.glob(".*"))


def test_what_a_kill_after_the_last_file_leaves_is_cleared_up(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note is written, and then the process is gone, before it can delete what is hidden."""

    def refuse(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(RowStore, "delete", refuse)
        patch.setattr(FileLock, "release", _forget)
        with pytest.raises(KeyboardInterrupt):
            predict(model, folder, out)
    left = names_in(out)
    noted = {name.removesuffix(".litpose.json") for name in left if name.endswith(".litpose.json")}
    assert noted
    for name in noted:  # whichever of the threads came to it first
        assert {f".{name}.litpose-rows", f".{name}.litpose-claim", f"{name}.csv"} <= left
    found = predict(model, folder, out)
    assert {name for name, outcome in found.items() if outcome.skipped} == {
        f"{v}.mp4" for v in noted
    }
    assert not list(out.glob(".*"))


def test_what_two_processes_ended_at_comes_last_and_is_told_of(
    model: Model, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, holders, taken_at in (("v0", 2, 2000), ("v1", 3, 1000), ("v2", 1, 0)):
        claim = ResultFiles(out, name).claim
        claim.write_text("process 1 on host\n" * holders)
        os.utime(claim, (taken_at, taken_at))
    assert list(predict(model, folder, out)) == ["v2.mp4", "v1.mp4", "v0.mp4"]
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("3 processes ended without a word while they were at v1, so it is")
    assert second.startswith("2 processes ended without a word while they were at v0, so it is")
    assert not list(out.glob(".*"))


def test_a_video_that_had_to_be_read_twice_is_told_of(
    model: Model,
    folder: Path,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = PyAVReader.read

    def broken(self: PyAVReader, parts: list[Segment]) -> Iterator[RawFrames]:
        if self.info.path.name == "v1.mp4":
            raise DamagedError("the decoder gives no frame 16")
        yield from read(self, parts)

    monkeypatch.setattr(PyAVReader, "read", broken)
    (folder / "spoilt.mp4").write_bytes(corpus("spoilt.mp4").read_bytes())
    outcomes = predict(model, folder, tmp_path / "out")
    assert [name for name, outcome in outcomes.items() if outcome.problems] == ["spoilt.mp4"]
    told = sorted(record.getMessage() for record in caplog.records)
    twice = "was read a second time, from beginning to end, which takes longer:"
    assert [text.partition(" /")[0] for text in told] == [
        f"spoilt.mp4 {twice}",
        f"v1.mp4 {twice} the decoder gives no frame 16",
    ]


def test_what_others_hide_beside_whole_results_is_left_alone(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, folder, out)
    claim = FileLock(ResultFiles(out, "v0").claim)
    assert claim.take() == ""  # a process that has not gone yet
    rows = ResultFiles(out, "v1").rows
    RowStore(rows, key="of another model", keypoint_names=NAMES).close()
    found = predict(model, folder, out)
    assert all(outcome.skipped for outcome in found.values())
    assert {path.name for path in out.glob(".*")} == {claim.path.name, rows.name}
    claim.release()


def _forget(claim: FileLock) -> None:
    """Lose a lock as a killed process does: its file stays."""
    if claim._is_mine:
        file_locks._ours.pop(claim.path).close()
        claim._is_mine = False


def test_frames_that_lack_fail_their_input_alone(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RowStore.add

    def lose(self: RowStore, frame_ids: np.ndarray, *values: np.ndarray) -> None:
        keep = slice(1, None) if "v1" in str(self.path) else slice(None)
        add(self, frame_ids[keep], *(value[keep] for value in values))

    monkeypatch.setattr(RowStore, "add", lose)
    found = predict(model, folder, tmp_path / "out")
    assert "first missing: [0]" in str(found.pop("v1.mp4").failed)
    assert all(outcome.failed is None for outcome in found.values())
    assert not list((tmp_path / "out").glob(".*"))


def test_files_are_written_while_the_next_input_is_predicted(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    third_begun = threading.Event()
    open_session = Session.open
    write = rows.parts_of
    begun: list[str] = []

    def open_one(session: Session, model: Model) -> Source:
        begun.append(session.inputs[0].path.stem)
        if len(begun) == 3:
            third_begun.set()
        return open_session(session, model)

    def wait_and_write(of: rows.Rows, *, looks_back: int = 0) -> object:
        assert third_begun.wait(60)
        return write(of, looks_back=looks_back)

    monkeypatch.setattr(Session, "open", open_one)
    monkeypatch.setattr("lightning_pose.inference.products.parts_of", wait_and_write)
    found = predict(model, folder, tmp_path / "out")
    assert [outcome.failed for outcome in found.values()] == [None] * 3


def test_a_batch_that_is_given_up_leaves_no_half_file_and_goes_on_later(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def interrupt(inputs: tuple[Input, ...], progress: Progress) -> None:
        if progress.stage == "predicting" and inputs[0].path.name == "v1.mp4":
            raise KeyboardInterrupt

    outputs = OutputSettings(labeled_video=True)
    with pytest.raises(KeyboardInterrupt):
        list(
            predict_files(
                model, expand_inputs([folder]), out=out, outputs=outputs, on_progress=interrupt
            )
        )
    # Of those read beside it, each may have been done just before.
    for drawn in out.glob("*_labeled.mp4"):
        assert count_frames(drawn) == count_frames(folder / "v0.mp4")
    for table in out.glob("*.csv"):
        assert len(Predictions.read(table)) == NUM_FRAMES
    whole = {
        f"{v}{end}" for v in ("v0", "v2") for end in (".csv", "_labeled.mp4", ".litpose.json")
    }
    assert names_in(out) <= whole | {f".v{number}.litpose-rows" for number in range(3)}
    assert threading.active_count() < 20
    found = predict(model, folder, out, labeled_video=True)
    assert all(outcome.failed is None for outcome in found.values())
    assert not list(out.glob(".*"))


class Rank:
    """A metric that looks at the whole video for each value."""

    name, unit, needs_labels, needs_video = "rank", "", False, True

    def __call__(self, predictions: Predictions, labels: object = None) -> MetricTable:
        ranks = predictions.xy_img[..., 0].argsort(axis=0).argsort(axis=0)
        return table_of(self.name, self.unit, ranks.astype(np.float64), predictions)


def stored(path: Path | None, count: int) -> StoredRows:
    """Return random rows of a video."""
    store = RowStore(path, key="k", keypoint_names=NAMES)
    random = np.random.default_rng(0)
    for start in range(0, count, 1000):
        frame_ids = np.arange(start, min(start + 1000, count))
        xy = random.normal(200, 50, (len(frame_ids), len(NAMES), 2)).astype(np.float32)
        store.add(frame_ids, xy, xy[..., 0] / 400)
    video = Input(kind=Kind.VIDEO, path=Path("video.mp4"))
    return StoredRows(store, inputs=[video], images=[()])


@pytest.mark.parametrize("metric", [TemporalNorm(), Rank()], ids=lambda metric: metric.name)
def test_what_is_written_in_parts_is_what_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: TemporalNorm | Rank
) -> None:
    monkeypatch.setattr(rows, "_PART", 64)
    of_video = stored(None, 200)
    products = written_by(tmp_path / "out", metric)
    for product in products.wanted().values():
        product.write(of_video)
    whole = of_video.views()
    (values,) = computed_by_view(metric, whole)
    expected = whole[0].to_csv(tmp_path / "a.csv"), values.to_csv(tmp_path / "b.csv")
    for path, found in zip(expected, products.wanted(), strict=True):
        assert found.read_bytes() == path.read_bytes()


def written_by(out: Path, metric: TemporalNorm | Rank) -> Products:
    return Products(
        files=ResultFiles(out, "video"),
        settings=OutputSettings(metrics=(metric,)),
        source=Input(kind=Kind.VIDEO, path=Path("video.mp4")),
    )


def test_writing_a_long_video_needs_no_more_memory_than_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_PART", 512)
    peaks = {}
    for count in (4000, 32000):
        of_video = stored(tmp_path / f"{count}", count)
        products = written_by(tmp_path / str(len(peaks)), TemporalNorm())
        tracemalloc.start()
        for product in products.wanted().values():
            product.write(of_video)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[32000] < 1.2 * peaks[4000] + 50_000, peaks  # the table itself has 6.6 MB


def test_image_folders_keep_the_names_of_their_rows(tmp_path: Path) -> None:
    images = tuple(f"img{number}.png" for number in range(5))
    store = RowStore(None, key="k", keypoint_names=NAMES)
    xy = np.zeros((5, len(NAMES), 2), dtype=np.float32)
    store.add(np.arange(5), xy, xy[..., 0])
    item = Input(kind=Kind.IMAGES, path=Path("session"))
    (table,) = StoredRows(store, inputs=[item], images=[images]).views(1, 3)
    assert table.images == images[1:3]
    assert replace(table, images=()).frame_ids.tolist() == [1, 2]


def test_num_frames_are_told(model: Model, folder: Path, tmp_path: Path) -> None:
    found = predict(model, folder, tmp_path / "out")
    assert {outcome.num_frames for outcome in found.values()} == {NUM_FRAMES}


def test_a_table_whose_note_a_kill_prevented_is_known_to_be_ours(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Note, "with_file", die)
        with pytest.raises(Killed):
            predict(model, folder, out)
    assert names_in(out) & {"v0.csv", "v1.csv", "v2.csv"}  # of the first that ended
    found = predict(model, folder, out)
    assert [outcome.failed for outcome in found.values()] == [None] * 3
    assert len(Predictions.read(out / "v0.csv")) == NUM_FRAMES
