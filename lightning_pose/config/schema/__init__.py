"""The configuration as plain dataclasses: sections, keys, types, defaults, meaning and rules.

Every room may take these; they know nothing of Hydra. ``docs/configuration.md`` is generated from
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from lightning_pose.config.schema.data import (
    BaseDali,
    ContextDali,
    DaliConfig,
    DataConfig,
    ImageDims,
    OriginalDims,
)
from lightning_pose.config.schema.model import ModelConfig
from lightning_pose.config.schema.results import EvalConfig, FiftyOneConfig, TrackingConfig
from lightning_pose.config.schema.training import (
    AnnealWeightConfig,
    CallbacksConfig,
    TrainingConfig,
)
from lightning_pose.contracts.settings import rule_of, setting

__all__ = [
    "AnnealWeightConfig",
    "BaseDali",
    "CallbacksConfig",
    "Config",
    "ContextDali",
    "DaliConfig",
    "DataConfig",
    "EvalConfig",
    "FiftyOneConfig",
    "ImageDims",
    "ModelConfig",
    "OriginalDims",
    "TrackingConfig",
    "TrainingConfig",
]


@dataclass(kw_only=True)
class Config:
    """The whole configuration of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    dali: DaliConfig = field(default_factory=DaliConfig)
    losses: dict[str, dict[str, Any]] = setting(
        doc="Settings of each loss, under its name; model.losses_to_use switches losses on.",
        factory=dict,
    )
    callbacks: CallbacksConfig = field(default_factory=CallbacksConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plugins: list[str] = setting(
        doc="Your own Python modules, imported first so that what they register can be named "
        "here; looked for in the folder of the configuration file too.",
        factory=list,
    )
    follows_max_epochs: list[str] = setting(
        doc="Written by litpose: keys of this file whose values were worked out from the length "
        "of training. When the file is trained again they are worked out anew.",
        factory=list,
    )

    def __post_init__(self) -> None:
        """Fill in what follows the length of training in other sections."""
        anneal = self.callbacks.anneal_weight
        if anneal.freeze_until_epoch is None and anneal.freeze_until_step is None:
            self.callbacks.anneal_weight = _annealing_for(anneal, self.training)


def _annealing_for(anneal: AnnealWeightConfig, training: TrainingConfig) -> AnnealWeightConfig:
    """Return the annealing with its start at its share of the length of training."""
    starts: dict[str, Any] = {}
    for item in fields(anneal):
        follows = rule_of(item).follows
        end = training.end_in(follows.unit) if follows is not None else None
        if follows is not None and end is not None:
            starts[item.name] = follows.at(end)
    return replace(anneal, **starts)
