"""Where the GPU's work cannot be recorded, the network is called, and says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.inference import network
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.model import Model
from lightning_pose.models.build import build_tracker

SPOILT = RuntimeError("operation failed due to a previous error during capture")
Gpu = Callable[..., Counter[str]]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """Return what makes a GPU out of the CPU, whose first recordings fail."""

    def stands_in(*errors: RuntimeError) -> Counter[str]:
        seen: Counter[str] = Counter()
        coming = list(errors)

        def record(*_: object) -> None:
            seen["tries"] += 1
            if coming:
                raise coming.pop(0)

        def replay(recording: network._Recording, batch: network.VideoBatch) -> network.Outputs:
            seen["replays"] += 1
            return recording.call(batch)

        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, seen["tries"] + 1))
        monkeypatch.setattr(network._Recording, "record", record)
        monkeypatch.setattr(network._Recording, "replay", replay)
        monkeypatch.setattr(
            network, "after_failed_recording", lambda *_: seen.update(["put right"])
        )
        return seen

    return stands_in


def model() -> Model:
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("nose", "tail"),
        image_height=64,
        image_width=64,
    )
    compute = Compute.choose(device="cpu", precision="fp32")
    return Model(build_tracker(spec), compute=compute)


def found(model: Model, frames: np.ndarray) -> np.ndarray:
    return np.concatenate([model.predict_frame(frame).xy_img for frame in frames])


@pytest.mark.parametrize(("failures", "tries", "replays"), [(0, 1, 6), (2, 3, 4), (9, 3, 0)])
def test_a_recording_that_fails_is_tried_again(
    gpu: Gpu, failures: int, tries: int, replays: int
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 80, 3), dtype=np.uint8)
    expected = found(model(), frames)
    recorded = model()
    recorded._network._on_gpu = True
    seen = gpu(*[SPOILT] * failures)
    np.testing.assert_array_equal(found(recorded, frames), expected)
    assert seen == Counter({"tries": tries, "replays": replays, "put right": min(failures, 3)})


def test_too_little_memory_for_a_recording_is_told(gpu: Gpu) -> None:
    recorded = model()
    recorded._network._on_gpu = True
    seen = gpu(torch.OutOfMemoryError("CUDA out of memory."))
    frames = np.zeros((2, 48, 80, 3), dtype=np.uint8)
    with pytest.raises(ModelError, match="memory of the GPU"):
        recorded.predict_frames(frames)
    assert seen["put right"] == 1
    assert len(recorded.predict_frames(frames)) == 2
