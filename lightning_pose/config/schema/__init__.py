"""The configuration as plain dataclasses: sections, keys, types, defaults, meaning and rules.

Every room may take these; they know nothing of Hydra. ``docs/configuration.md`` is generated from
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
from lightning_pose.contracts.settings import REFERENCE_EPOCHS, rule_of, setting

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
        if anneal.freeze_until_epoch is None:
            self.callbacks.anneal_weight = _annealing_for(anneal, self.training.max_epochs)


def _annealing_for(anneal: AnnealWeightConfig, max_epochs: int | None) -> AnnealWeightConfig:
    """Return the annealing with its start at its share of the epochs (of 300 if in steps)."""
    follows = rule_of(AnnealWeightConfig.__dataclass_fields__["freeze_until_epoch"]).follows
    start = follows.at(max_epochs or REFERENCE_EPOCHS) if follows else 0
    return AnnealWeightConfig(
        init_val=anneal.init_val,
        increase_factor=anneal.increase_factor,
        final_val=anneal.final_val,
        freeze_until_epoch=start if isinstance(start, int) else None,
    )
