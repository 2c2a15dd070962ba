"""Trained models in the tracking store: kept as models that predict, named, compared, promoted."""

from lightning_pose.mlops.registry.fetching import is_registered, local_model
from lightning_pose.mlops.registry.promotion import RULE, Verdict, judge
from lightning_pose.mlops.registry.versions import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    SCHEME,
    ModelRegistry,
    RegisteredVersion,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "RULE",
    "SCHEME",
    "ModelRegistry",
    "RegisteredVersion",
    "Verdict",
    "is_registered",
    "judge",
    "local_model",
]
