"""The section ``model``: which network, from which weights, with which losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning_pose.contracts.registry import BACKBONES, LOSSES, TRACKERS
from lightning_pose.contracts.settings import setting


@dataclass(kw_only=True)
class ModelConfig:
    """What is trained. Names are looked up in the registries."""

    model_type: str = setting("heatmap", "Kind of tracker, by name.", registry=TRACKERS)
    backbone: str = setting(
        "efficientnet_lite0", "Network that sees the images, by name.", registry=BACKBONES
    )
    backbone_pretrained: bool = setting(
        True, "Start the backbone from the weights its name stands for."
    )
    backbone_checkpoint: str | None = setting(
        None, "Start the backbone from the weights in this local file instead.", path="input"
    )
    losses_to_use: list[str] = setting(
        doc="Unsupervised losses to train with, by name; empty: fully supervised.",
        factory=list,
        registry=LOSSES,
    )
    heatmap_loss_type: str = setting(
        "mse",
        "How predicted and target heatmaps are compared: mse, kl or js.",
        registry=LOSSES,
        prefix="heatmap_",
    )
    model_name: str | None = setting(
        None, "Name of the run in lists and in the tracking store.", default_text="the model type"
    )
    checkpoint: str | None = setting(
        None,
        "Start all weights from a trained model: a run directory, a .ckpt file, or "
        "models:/NAME@alias.",
        path="input",
    )
    resume: str | None = setting(
        None,
        "Run directory of a training to carry on as if it had never stopped.",
        path="input",
    )
    params: dict[str, Any] = setting(
        doc="Settings of the tracker's own (sizes of its head, temperature, ...); left out ones "
        "take its defaults.",
        factory=dict,
        params_of="model_type",
    )
