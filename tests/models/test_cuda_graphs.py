"""Replaying the backbone as CUDA graphs changes the speed and nothing else."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lightning_pose.contracts.batches import LabeledBatch, PairedBatch, VideoBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.losses.factory import build_losses
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker
from lightning_pose.models.cuda_graphs import TrainingGraphs

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


def test_without_a_gpu_the_network_is_run_as_ever(
    spec: ModelSpec, build: Build, spots: Spots
) -> None:
    plain, replayed = build(spec).train(), build(spec).train()
    replayed.use_cuda_graphs = True
    batch = spots(plain.data_spec)
    for _ in range(3):
        assert torch.equal(plain.training_step(batch), replayed.training_step(batch))


def test_the_graphs_add_nothing_to_the_weights(spec: ModelSpec, build: Build) -> None:
    tracker = build(spec)
    keys = set(tracker.state_dict())
    tracker.use_cuda_graphs = True
    assert set(tracker.state_dict()) == keys
    assert len(list(tracker.parameters())) == len({id(p) for p in tracker.parameters()})


@pytest.mark.parametrize(("failures", "captured"), [(0, True), (2, True), (3, False)])
def test_a_capture_that_is_given_up_is_tried_again(
    failures: int,
    captured: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    def capture(*_: object) -> Callable[..., torch.Tensor]:
        tries.append(1)
        if len(tries) <= failures:
            raise RuntimeError("operation failed due to a previous error during capture")
        return torch.neg

    graphs = TrainingGraphs(nn.Identity(), what="The network")
    monkeypatch.setattr(graphs, "_captured_once", capture)
    assert (graphs._capture((torch.ones(1),), None) is torch.neg) == captured
    assert len(tries) == min(failures + 1, 3)
    assert ("The network is trained without CUDA graphs" in caplog.text) != captured


def on_video(
    spec: ModelSpec, model_type: str, spots: Spots
) -> tuple[BaseSupervisedTracker, PairedBatch]:
    """Return a tracker with losses on video, and a batch of equally many frames of both kinds."""
    torch.manual_seed(0)
    losses = build_losses(
        ["temporal", "pca_singleview"],
        {
            "temporal": {"epsilon": 0.0, "log_weight": 3.0},
            "pca_singleview": {"components_to_keep": 2, "log_weight": 3.0},
        },
    )
    losses.fit(64 * torch.rand(40, 2, 2))
    tracker = build_tracker(
        dataclasses.replace(spec, model_type=model_type, backbone="resnet18"),
        losses=build_losses(["regression" if model_type == "regression" else "heatmap_mse"], {}),
        unsupervised_losses=losses,
    )
    labeled = spots(tracker.data_spec, rows=4)
    halo = tracker.data_spec.halo
    video = VideoBatch(
        frames=torch.randn(4 + 2 * halo, 1, 3, 64, 64),
        net_to_image=labeled.net_to_image,
        frame_ids=torch.arange(4),
        halo=halo,
    )
    return tracker.cuda().train(), PairedBatch(
        labeled=labeled.to("cuda"), unlabeled=video.to("cuda")
    )


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.*AccumulateGrad")
class TestOnGPU:
    def test_gradients_of_labelled_and_unlabelled_frames_are_the_same(
        self, spec: ModelSpec, spots: Spots
    ) -> None:
        for model_type in ("heatmap", "heatmap_mhcrnn", "regression"):
            plain, pair = on_video(spec, model_type, spots)
            replayed = copy.deepcopy(plain)
            replayed.use_cuda_graphs = True
            for _ in range(3):
                for tracker in (plain, replayed):
                    tracker.zero_grad(set_to_none=True)
                    tracker.training_step(pair).backward()
            for (name, one), other in zip(
                plain.named_parameters(), replayed.parameters(), strict=True
            ):
                torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5, msg=name)

    def test_a_whole_step_is_replayed_unless_a_class_does_not_say_that_it_may_be(
        self, spec: ModelSpec, spots: Spots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        computed: list[int] = []
        for model_type in ("heatmap", "heatmap_mhcrnn", "regression"):
            tracker, pair = on_video(spec, model_type, spots)
            tracker.use_cuda_graphs = True
            terms = tracker.training_terms
            counted = lambda batch, terms=terms: (computed.append(1), terms(batch))[1]  # noqa: E731
            monkeypatch.setattr(tracker, "training_terms", counted)
            tracker.training_step(pair).backward()
            computed.clear()
            tracker.training_step(pair).backward()
            assert not computed
            loss = tracker.unsupervised_losses.losses["temporal"]
            loss.__class__ = type("Counting", (type(loss),), {})
            tracker.training_step(pair).backward()
            assert computed

    def test_terms_of_a_replayed_step_are_those_computed(
        self, spec: ModelSpec, spots: Spots
    ) -> None:
        plain, pair = on_video(spec, "heatmap", spots)
        replayed = copy.deepcopy(plain)
        replayed.use_cuda_graphs = True
        for batch in (pair, pair["labeled"], pair):
            expected = plain.training_terms(batch)
            found = replayed._step_graphs.replay(batch)
            assert found is not None
            for ours, theirs in zip(
                [*found.labeled, *found.video], [*expected.labeled, *expected.video], strict=True
            ):
                assert ours.name == theirs.name
                torch.testing.assert_close(ours.raw, theirs.raw, rtol=1e-4, atol=1e-6)
                torch.testing.assert_close(ours.weighted, theirs.weighted, rtol=1e-4, atol=1e-6)
            sum(term.weighted for term in [*found.labeled, *found.video]).backward()

    def test_two_passes_before_a_backward_pass_do_not_share_a_graph(
        self, spec: ModelSpec, spots: Spots
    ) -> None:
        plain, pair = on_video(spec, "heatmap", spots)
        replayed = copy.deepcopy(plain)
        replayed.use_cuda_graphs = True
        for _ in range(3):
            for tracker in (plain, replayed):
                tracker.zero_grad(set_to_none=True)
                first, second = (tracker.training_step(pair["labeled"]) for _ in range(2))
                (first + second).backward()
        for (name, one), other in zip(
            plain.named_parameters(), replayed.parameters(), strict=True
        ):
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5, msg=name)

    def test_a_step_on_video_does_not_wait_for_the_device(
        self, spec: ModelSpec, spots: Spots
    ) -> None:
        for model_type in ("heatmap", "heatmap_mhcrnn", "regression"):
            tracker, pair = on_video(spec, model_type, spots)
            tracker.training_step(pair).backward()
            torch.cuda.set_sync_debug_mode("error")
            try:
                tracker.training_step(pair).backward()
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def test_losses_gradients_and_batch_norms_are_the_same(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        plain = build(dataclasses.replace(spec, backbone="resnet18")).cuda().train()
        replayed = copy.deepcopy(plain)
        replayed.use_cuda_graphs = True
        for seed in range(4):
            batch = spots(plain.data_spec, seed=seed).to("cuda")
            for tracker in (plain, replayed):
                tracker.zero_grad(set_to_none=True)
                tracker.training_step(batch).backward()
            for (name, one), other in zip(
                plain.named_parameters(), replayed.parameters(), strict=True
            ):
                torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6, msg=name)
        for (name, one), other in zip(plain.named_buffers(), replayed.buffers(), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5, msg=name)

    def test_a_training_step_does_not_wait_for_the_device(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        for model_type in ("heatmap", "heatmap_mhcrnn", "regression"):
            tracker = build(dataclasses.replace(spec, model_type=model_type)).cuda().train()
            batch = spots(tracker.data_spec).to("cuda")
            tracker.training_step(batch).backward()
            torch.cuda.set_sync_debug_mode("error")
            try:
                tracker.training_step(batch).backward()
                with torch.inference_mode():
                    tracker.eval().predict_batch(batch)
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def test_a_network_that_cannot_be_captured_is_run_as_ever(self) -> None:
        class Waiting(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Conv2d(3, 4, 3)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return self.layer(images) * images.sum().item()

        net = Waiting().cuda()
        graphs = TrainingGraphs(net, what="The network")
        images = torch.randn(2, 3, 8, 8, device="cuda")
        for _ in range(3):
            assert graphs.replay(images) is None
            torch.manual_seed(0)
            first = torch.randn(3, device="cuda")
            torch.manual_seed(0)
            assert torch.equal(first, torch.randn(3, device="cuda"))
