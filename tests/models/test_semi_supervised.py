"""Trackers that learn from unlabelled video: their twins, their loss, one pass for all frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, LabeledBatch, PairedBatch, VideoBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.loss_inputs import UnlabeledLossInputs
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.losses.factory import LossFactory, build_losses
from lightning_pose.models.base import BaseSupervisedTracker, SemiSupervisedTrackerMixin
from lightning_pose.models.build import build_tracker, load_tracker, loss_state, save_weights
from lightning_pose.models.heatmap_tracker import HeatmapTracker, SemiSupervisedHeatmapTracker
from lightning_pose.models.heatmap_tracker_mhcrnn import (
    HeatmapTrackerMHCRNN,
    SemiSupervisedHeatmapTrackerMHCRNN,
)
from lightning_pose.models.regression_tracker import (
    RegressionTracker,
    SemiSupervisedRegressionTracker,
)
from lightning_pose.models.twins import SemiSupervisedByPrediction, semi_supervised

Spots = Callable[..., LabeledBatch]
KINDS = ("heatmap", "heatmap_mhcrnn", "regression")
NO_TOLERANCE = {"temporal": {"epsilon": 0.0, "log_weight": 0.0, "prob_threshold": 0.0}}


def temporal(name: str = "temporal") -> LossFactory:
    return build_losses([name], NO_TOLERANCE)


def small(
    spec: ModelSpec, kind: str = "heatmap", *, on_video: LossFactory | None = None
) -> BaseSupervisedTracker:
    torch.manual_seed(0)
    return build_tracker(
        dataclasses.replace(spec, model_type=kind, backbone="resnet18"),
        losses=build_losses([TRACKERS.get(kind).supervised_loss()], {}),
        unsupervised_losses=on_video,
    )


def film(data_spec: DataSpec, *, frames: int = 5, affine: Tensor | None = None) -> VideoBatch:
    generator = torch.Generator().manual_seed(3)
    number = frames + 2 * data_spec.halo
    shape = (number, 1, 3, data_spec.height, data_spec.width)
    affine = 2 * torch.eye(2, 3) if affine is None else affine
    return VideoBatch(
        frames=torch.randn(shape, generator=generator),
        net_to_image=affine.expand(frames, 1, 2, 3),
        frame_ids=torch.arange(frames),
        halo=data_spec.halo,
    )


class TestTwins:
    @pytest.mark.parametrize(
        ("twin", "tracker"),
        [
            (SemiSupervisedHeatmapTracker, HeatmapTracker),
            (SemiSupervisedHeatmapTrackerMHCRNN, HeatmapTrackerMHCRNN),
            (SemiSupervisedRegressionTracker, RegressionTracker),
        ],
    )
    def test_a_tracker_is_trained_on_video_as_its_twin(
        self, twin: type[BaseSupervisedTracker], tracker: type[BaseSupervisedTracker]
    ) -> None:
        assert semi_supervised(tracker) is twin
        assert semi_supervised(twin) is twin
        assert issubclass(twin, tracker)
        assert issubclass(twin, SemiSupervisedTrackerMixin)
        assert "__init__" not in vars(twin)

    def test_without_losses_on_video_a_tracker_is_a_supervised_one(self, spec: ModelSpec) -> None:
        assert type(small(spec)) is HeatmapTracker
        assert type(small(spec, on_video=temporal())) is SemiSupervisedHeatmapTracker

    def test_a_tracker_without_a_twin_is_judged_by_what_it_predicts(self, spec: ModelSpec) -> None:
        class Plain(BaseSupervisedTracker):
            def __init__(self, tracker: BaseSupervisedTracker) -> None:
                torch.nn.Module.__init__(self)
                self.inner = tracker

            supervised_loss = RegressionTracker.supervised_loss

            def get_loss_inputs_labeled(self, batch: LabeledBatch) -> dict[str, Tensor]:
                raise NotImplementedError

            def predict_batch(self, batch: LabeledBatch | VideoBatch) -> tuple[Tensor, Tensor]:
                return self.inner.predict_batch(batch)

        twin = semi_supervised(Plain)
        assert semi_supervised(Plain) is twin
        assert issubclass(twin, SemiSupervisedByPrediction)
        assert twin.__name__ == "SemiSupervisedPlain"
        tracker = small(spec).train()
        inputs = twin(tracker).get_loss_inputs_unlabeled(film(tracker.data_spec))
        assert set(inputs) == {"keypoints_pred", "confidences"}
        assert inputs["keypoints_pred"].requires_grad

    def test_a_tracker_derived_from_one_with_a_twin_has_its_inputs(self) -> None:
        class Own(HeatmapTracker):
            pass

        twin = semi_supervised(Own)
        assert issubclass(twin, Own)
        assert twin.video_inputs == SemiSupervisedHeatmapTracker.video_inputs

    def test_a_class_whose_training_would_ignore_video_is_refused(self) -> None:
        with pytest.raises(ModelError, match="must name SemiSupervisedTrackerMixin before"):

            class Wrong(HeatmapTracker, SemiSupervisedTrackerMixin):
                pass

    def test_a_loss_that_a_tracker_cannot_feed_is_named(self) -> None:
        twin = semi_supervised(RegressionTracker)
        losses = build_losses(["unimodal_mse"], {})
        with pytest.raises(ModelError, match="'unimodal_mse' needs heatmaps_pred"):
            losses.check_inputs(twin.video_inputs, tracker="regression")

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_twin_fills_the_inputs_it_names(self, spec: ModelSpec, kind: str) -> None:
        tracker = small(spec, kind, on_video=temporal())
        inputs = tracker.get_loss_inputs_unlabeled(film(tracker.data_spec))
        for head in inputs if isinstance(inputs, list) else [inputs]:
            assert set(head) == set(tracker.video_inputs)
            assert {len(tensor) for tensor in head.values()} == {5}


class TestLossInputs:
    @pytest.mark.parametrize("kind", KINDS)
    def test_coordinates_are_in_original_pixels(self, spec: ModelSpec, kind: str) -> None:
        affine = torch.tensor([[3.0, 0.5, 7.0], [-0.5, 2.0, -4.0]])
        tracker = small(spec, kind, on_video=temporal()).eval()
        net, image = (
            tracker.get_loss_inputs_unlabeled(film(tracker.data_spec, affine=way))
            for way in (torch.eye(2, 3), affine)
        )
        pairs = zip(net, image, strict=True) if isinstance(net, list) else [(net, image)]
        for one, other in pairs:
            points = one["keypoints_pred"].detach().numpy()
            expected = points @ affine[:, :2].numpy().T + affine[:, 2].numpy()
            np.testing.assert_allclose(other["keypoints_pred"].detach(), expected, atol=1e-3)

    def test_each_head_pays_for_itself_and_the_mean_counts(self, spec: ModelSpec) -> None:
        tracker = small(spec, "heatmap_mhcrnn", on_video=temporal()).eval()
        batch = film(tracker.data_spec)
        by_head = []
        for head in tracker.get_loss_inputs_unlabeled(batch):
            points = head["keypoints_pred"].detach().double().numpy()
            by_head.append(np.linalg.norm(np.diff(points, axis=0), axis=-1).mean())
        (term,) = tracker.video_terms(batch)
        assert term.raw.item() == pytest.approx(np.mean(by_head), rel=1e-4)
        assert term.weighted.item() == pytest.approx(np.mean(by_head) / 2, rel=1e-4)

    def test_two_heads_that_stand_still_in_different_places_cost_nothing(
        self, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tracker = small(spec, "heatmap_mhcrnn", on_video=temporal())

        def still(batch: VideoBatch) -> Sequence[UnlabeledLossInputs]:
            return [
                UnlabeledLossInputs(
                    keypoints_pred=torch.full((5, 2, 2), place), confidences=torch.ones(5, 2)
                )
                for place in (10.0, 200.0)
            ]

        monkeypatch.setattr(tracker, "get_loss_inputs_unlabeled", still)
        assert tracker.video_terms(film(tracker.data_spec))[0].raw.item() == 0.0


class TestTraining:
    def pair(self, tracker: BaseSupervisedTracker, spots: Spots) -> PairedBatch:
        return PairedBatch(
            labeled=spots(tracker.data_spec, rows=4), unlabeled=film(tracker.data_spec)
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_total_is_supervised_plus_importance_times_unsupervised(
        self, spec: ModelSpec, spots: Spots, kind: str
    ) -> None:
        tracker = small(spec, kind, on_video=temporal()).eval()
        pair = self.pair(tracker, spots)
        with torch.no_grad():
            supervised = tracker.evaluate_labeled(pair["labeled"], "val").item()
            unsupervised = tracker.evaluate_unlabeled(pair["unlabeled"], "val").item()
            for importance in (0.0, 0.25, 1.0):
                tracker.unsupervised_importance = importance
                total = tracker.training_step(pair).item()
                assert total == pytest.approx(supervised + importance * unsupervised, rel=1e-4)
        assert unsupervised > 0

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_step_lowers_the_loss_on_video(
        self, spec: ModelSpec, spots: Spots, kind: str
    ) -> None:
        tracker = small(spec, kind, on_video=temporal()).train()
        pair = self.pair(tracker, spots)
        tracker.unsupervised_importance = 100.0
        optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-4)
        before = tracker.training_step(pair)
        before.backward()
        optimizer.step()
        assert tracker.training_step(pair) < before

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_gradient_of_the_pair_is_the_sum_of_both(
        self, spec: ModelSpec, spots: Spots, kind: str
    ) -> None:
        tracker = small(spec, kind, on_video=temporal()).eval()  # batch norms as in prediction
        pair = self.pair(tracker, spots)
        tracker.unsupervised_importance = 0.5
        tracker.training_step(pair).backward()
        together = [p.grad for p in tracker.parameters()]
        tracker.zero_grad()
        tracker.evaluate_labeled(pair["labeled"], "val").backward()
        (0.5 * tracker.evaluate_unlabeled(pair["unlabeled"], "val")).backward()
        for one, other in zip(together, tracker.parameters(), strict=True):
            scale = other.grad.abs().max().item()
            torch.testing.assert_close(one, other.grad, rtol=1e-3, atol=1e-3 * scale + 1e-7)

    @pytest.mark.parametrize("kind", KINDS)
    def test_on_labelled_frames_alone_the_twin_trains_as_the_supervised_tracker(
        self, spec: ModelSpec, spots: Spots, kind: str
    ) -> None:
        weights = []
        for losses in (None, temporal()):
            tracker = small(spec, kind, on_video=losses).train()
            optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-3)
            for seed in range(2):
                optimizer.zero_grad()
                tracker.training_step(spots(tracker.data_spec, rows=4, seed=seed)).backward()
                optimizer.step()
            weights.append(tracker.state_dict())
        for name, value in weights[0].items():
            assert torch.equal(value, weights[1][name]), name

    @pytest.mark.parametrize("kind", KINDS)
    def test_labelled_and_unlabelled_frames_are_normalised_together(
        self, spec: ModelSpec, spots: Spots, kind: str
    ) -> None:
        tracker = small(spec, kind, on_video=temporal()).train()
        pair = self.pair(tracker, spots)
        labeled, video = pair["labeled"].images, pair["unlabeled"].frames
        frames = torch.cat([labeled.flatten(0, 2), video.flatten(0, 1)])
        seen: list[Tensor] = []
        tracker.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        tracker.training_step(pair)
        assert len(seen) == 1
        assert torch.equal(seen[0], frames)
        assert tracker.shared_features(pair["labeled"]) is None

    def test_a_broken_step_says_that_there_was_video(self, spec: ModelSpec, spots: Spots) -> None:
        tracker = small(spec, on_video=temporal()).train()
        pair = self.pair(tracker, spots)
        pair["unlabeled"].frames[:] = torch.nan
        tracker.training_step(pair)
        broken = tracker.take_broken_step()
        assert broken is not None
        assert broken.with_video


class TestCheckpoints:
    def test_what_losses_learnt_is_kept_and_not_needed_to_predict(
        self, spec: ModelSpec, tmp_path: Path
    ) -> None:
        keypoints = torch.randn(40, 2, 2, generator=torch.Generator().manual_seed(0))
        losses = build_losses(["pca_singleview"], {"pca_singleview": {"components_to_keep": 2}})
        losses.fit(keypoints)
        tracker = small(spec, on_video=losses)
        state = loss_state(tracker)
        mean = keypoints.flatten(1).numpy().mean(0)
        assert any(
            v.numel() == 4 and np.allclose(v.flatten(), mean, atol=1e-6) for v in state.values()
        )
        loaded = load_tracker(save_weights(tracker, tmp_path / "a.ckpt"))
        assert type(loaded) is HeatmapTracker
        again = small(spec, on_video=build_losses(["pca_singleview"], {}))
        again.load_state_dict(tracker.state_dict())
        assert {k: v.tolist() for k, v in loss_state(again).items()} == {
            k: v.tolist() for k, v in state.items()
        }

    def test_a_twin_without_losses_says_so(self, spec: ModelSpec) -> None:
        tracker = SemiSupervisedHeatmapTracker(small_parts(spec))
        with pytest.raises(ModelError, match="without losses on unlabelled video"):
            tracker.evaluate_unlabeled(film(tracker.data_spec), "val")


def small_parts(spec: ModelSpec) -> object:
    from lightning_pose.models.backbones import build_backbone
    from lightning_pose.models.heatmap_tracker import HeatmapParams
    from lightning_pose.models.parts import TrackerParts

    backbone = build_backbone("resnet18", pretrained=False, checkpoint=None)
    return TrackerParts(spec=spec, params=HeatmapParams(), backbone=backbone)
