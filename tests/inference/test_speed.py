"""What `litpose bench` measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.inference import speed
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.model import Model
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import NUM_FRAMES, numbered_frame

Corpus = Callable[[str], Path]


def model() -> Model:
    return Model(number_tracker(), compute=Compute.choose(device="cpu", precision="fp32"))


def test_each_part_has_a_rate(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_PART_S", 0.01)
    found = speed.measure_speed(model(), corpus("plain.mp4"), rounds=1, batch_size=8)
    assert found.frames == NUM_FRAMES
    assert found.reader == "PyAVReader"
    assert set(found.rates) == {speed.DECODE, speed.PREPARE, speed.NETWORK, speed.WHOLE}
    assert min(found.rates.values()) > 0
    assert found.limit == min((speed.DECODE, speed.NETWORK), key=lambda part: found.rates[part])
    assert 0 <= found.waited <= 1


def test_a_video_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"no\.mp4"):
        speed.measure_speed(model(), tmp_path / "no.mp4", rounds=1)


@pytest.mark.parametrize("context", [False, True])
def test_one_frame_is_predicted_as_several_are(context: bool) -> None:
    exact = Compute.choose(device="cpu", precision="fp32")
    tracker = Model(number_tracker(context=context), compute=exact)
    one = tracker.predict_frame(numbered_frame(37))
    several = tracker.predict_frames(numbered_frame(37)[None])
    assert one.xy_img[0, 0].tolist() == [37, 37]
    np.testing.assert_array_equal(one.xy_img, several.xy_img)
