"""Videos that a GPU's decoders read give the tables that they give on a CPU; no GPU needed."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_pose.inference import pipeline
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.session import PredictSettings
from lightning_pose.video import segments
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.nvdec_rules import why_not_plain
from lightning_pose.video.nvdec_start import decoders_prepared
from tests.inference.batch_worker import number_run
from tests.inference.number_tracker import number_tracker
from tests.video.corpus_more import EVERY
from tests.video.imitated_nvdec import TAKEN, ThreadedDecoder, imitate

THREADS = 8
Predict = Callable[[str], dict[str, Outcome]]


@pytest.fixture(params=[False, True], ids=["frame", "context"])
def predicted(
    request: pytest.FixtureRequest,
    corpus: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Predict:
    """Return what predicts the corpus with a reader, by many threads and in short segments."""
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)
    monkeypatch.setattr(pipeline, "num_decoders", lambda device_type: THREADS)
    (tmp_path / "videos").mkdir()
    for name in EVERY:
        if name.endswith(".mp4"):
            (tmp_path / "videos" / name).write_bytes(corpus(name).read_bytes())
    files = ModelFiles.find(number_run(tmp_path / "run"))
    tracker = number_tracker(context=request.param)
    model = Model(tracker, compute=Compute.choose(device="cpu"), files=files)

    def predict(reader: str) -> dict[str, Outcome]:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache" / reader))  # nothing is known
        found = predict_files(
            model,
            expand_inputs([tmp_path / "videos"]),
            out=tmp_path / reader,
            outputs=OutputSettings(),
            settings=PredictSettings(reader=reader, batch_size=7),
        )
        return {outcome.inputs[0].path.name: outcome for outcome in found}

    return predict


def _open_files() -> list[Path]:
    return [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]


def test_tables_are_those_of_a_cpu(
    predicted: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predicted("pyav")
    decoders = imitate(monkeypatch)
    read: list[str] = []
    init = NvdecReader.__init__

    def noted(self: NvdecReader, video: Path, **options: object) -> None:
        read.append(video.name)
        init(self, video, **options)

    monkeypatch.setattr(NvdecReader, "__init__", noted)
    monkeypatch.setattr(NvdecReader, "usable", lambda video, **_: why_not_plain(video, TAKEN.get))
    first = tmp_path / "videos" / "plain.mp4"
    gc.collect()
    gc.disable()  # what has to go, goes at once
    try:
        with decoders_prepared(first, device="cuda", number=THREADS, batch_size=7):
            found = predicted("auto")
        open_files = [str(path.readlink()) for path in _open_files()]
    finally:
        gc.enable()
    assert not ThreadedDecoder.outlived
    excerpts = [it for it in open_files if "/memfd:" in it and "printed" not in it]
    assert len(excerpts) == sum(it._excerpt is not None for it in decoders._all)
    assert {"plain.mp4", "open_gop.mp4", "hevc.mp4", "spoilt.mp4", "lost.mp4"} < set(read)
    assert found.keys() == expected.keys()
    for name, outcome in found.items():
        assert str(outcome.failed) == str(expected[name].failed), name
        assert outcome.num_frames == expected[name].num_frames, name
        # A complaint may be of another video, and FFmpeg says nothing of HEVC.
        told = [problem for problem in outcome.problems if "NVDEC told of" not in problem]
        assert told == list(expected[name].problems), name
    ours, theirs = (
        {path.name: path.read_bytes() for path in (tmp_path / reader).rglob("*.csv")}
        for reader in ("auto", "pyav")
    )
    assert ours == theirs
    kinds = Counter(decoder.kind for decoder in decoders._all)
    assert max(kinds.values()) <= THREADS
    assert len(decoders._idle) == len(decoders._all)
