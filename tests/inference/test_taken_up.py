"""A prediction that is taken up again ends as if it had never been stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.inference import work
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import PredictSettings
from lightning_pose.video import segments
from tests.inference.batch_worker import number_run
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]


class Killed(BaseException):
    """Ends a prediction at once; rows that were added stay in their file."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)
    monkeypatch.setattr(work, "SEGMENT_FRAMES", 8)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    files = ModelFiles.find(number_run(tmp_path / "run"))
    return Model(number_tracker(), compute=Compute.choose(device="cpu"), files=files)


def predicting(model: Model, video: Path, out: Path) -> Iterator[Outcome]:
    settings = PredictSettings(batch_size=4)
    return predict_files(model, expand_inputs([video]), out=out, settings=settings)


@pytest.mark.parametrize("name", ["spoilt.mp4", "spoilt_key.mp4", "spoilt_bit.mp4"])
def test_a_damaged_video_goes_on_in_the_numbering_it_was_begun_in(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add, clear = RowStore.add, RowStore.clear
    cleared: list[RowStore] = []

    def clear_and_tell(store: RowStore, **how: bool) -> None:
        clear(store, **how)
        cleared.append(store)

    def add_until_killed(store: RowStore, frame_ids: np.ndarray, *values: np.ndarray) -> None:
        add(store, frame_ids, *values)
        if cleared and frame_ids[0] >= 32:  # beyond the damage
            raise Killed

    (quiet,) = predicting(model, corpus(name), tmp_path / "quiet")
    with monkeypatch.context() as patch:
        patch.setattr(RowStore, "clear", clear_and_tell)
        patch.setattr(RowStore, "add", add_until_killed)
        with pytest.raises(Killed):
            list(predicting(model, corpus(name), tmp_path / "out"))
    (again,) = predicting(model, corpus(name), tmp_path / "out")
    assert (again.num_frames, again.problems) == (quiet.num_frames, quiet.problems)
    assert again.predictions[0].read_bytes() == quiet.predictions[0].read_bytes()


def test_frames_of_an_earlier_call_are_told_apart(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RowStore.add

    def add_until_killed(store: RowStore, frame_ids: np.ndarray, *values: np.ndarray) -> None:
        add(store, frame_ids, *values)
        if store.num_rows >= 30:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RowStore, "add", add_until_killed)
        with pytest.raises(Killed):
            list(predicting(model, corpus("gop10.mp4"), tmp_path / "out"))
    told: list[Progress] = []
    (again,) = predict_files(
        model,
        expand_inputs([corpus("gop10.mp4")]),
        out=tmp_path / "out",
        on_progress=lambda _, progress: told.append(progress),
    )
    assert again.num_frames == told[-1].done == NUM_FRAMES
    assert 0 < again.num_predicted <= 30
    assert told[-1].kept == NUM_FRAMES - again.num_predicted
    assert told[-1].fps == again.num_predicted / told[-1].seconds
