"""The two sides of a comparison: one trained model each, or runs of one configuration."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_pose.cli.opening import check_alike, open_model, same_weights
from lightning_pose.cli.terminal import note
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.data.wording import listed
from lightning_pose.inference.model import Model
from lightning_pose.metrics.differences import FEWEST_RUNS

SEEDS = ("training.rng_seed_data_pt", "training.rng_seed_model_pt")
NOT_TRAINED_BY = (
    "data.data_dir",
    "data.video_dir",
    "eval.",
    "tracking.",
    "dali.",
    "model.model_name",
    "model.resume",
)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: A or B.
        names: of the models, as they were named on the command line.
        models: opened.
    """

    label: str
    names: tuple[str, ...]
    models: tuple[Model, ...]

    @property
    def name(self) -> str:
        """Return the names in one text."""
        return ", ".join(self.names)


def open_sides(args: argparse.Namespace) -> tuple[Side, Side]:
    """Return the sides named on the command line, their models opened.

    Settings other than seeds in which runs of a side differ are noted.

    Raises:
        ConfigError: neither two models were named, nor several runs a side; or one is named twice.
        ModelError: models have other keypoints or views.
        LitposeError: a model cannot be opened.
    """
    names_a, names_b = _names(args)
    sides = _side("A", names_a, args), _side("B", names_b, args)
    for side in sides:
        _check_distinct(side)
    first, second = sides
    names, models = first.names + second.names, first.models + second.models
    check_alike(names, models)
    if same_weights(names, models):
        note("A model of A and one of B hold the same weights: it is compared with itself.")
    for side in sides:
        other = other_settings([_settings(model) for model in side.models])
        if other:
            note(
                f"The runs of {side.label} differ in more than their seeds: "
                f"{listed(other)}. What is compared then is a mixture."
            )
    return sides


def other_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys, seeds apart, that runs do not share.

    Args:
        settings: of each run, by dotted key; runs without any are passed over.

    Example:
        >>> other_settings([{"training.max_epochs": 3, "training.rng_seed_model_pt": 0},
        ...     {"training.max_epochs": 4, "training.rng_seed_model_pt": 1}])
        ['training.max_epochs']
    """
    known = [one for one in settings if one]
    keys = dict.fromkeys(key for one in known for key in one)
    return [
        key
        for key in keys
        if not key.startswith((*SEEDS, *NOT_TRAINED_BY))
        and any(one.get(key) != known[0].get(key) for one in known)
    ]


def _names(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    if len(args.models) == 2 and not args.a and not args.b:
        return [args.models[0]], [args.models[1]]
    if args.models or not (args.a and args.b):
        raise ConfigError(
            "Name two models (litpose compare A B), or the runs of each side (litpose compare "
            "--a RUN RUN RUN --b RUN RUN RUN)."
        )
    if len(args.a) == len(args.b) == 1:
        return args.a, args.b
    if min(len(args.a), len(args.b)) < FEWEST_RUNS:
        raise ConfigError(
            f"Whether a configuration is better takes {FEWEST_RUNS} runs a side or more, with "
            f"different seeds; got {len(args.a)} and {len(args.b)}. To compare two trained "
            "models, name one a side."
        )
    return args.a, args.b


def _side(label: str, names: Sequence[str], args: argparse.Namespace) -> Side:
    models = tuple(
        open_model(
            name, device=args.device, precision=args.precision, tracking_uri=args.tracking_uri
        )
        for name in names
    )
    return Side(label=label, names=tuple(names), models=models)


def _check_distinct(side: Side) -> None:
    same = same_weights(side.names, side.models)
    if same:
        raise ConfigError(
            f"{' and '.join(same)} hold the same weights, so they are not several runs of side "
            f"{side.label}. Name each run once, trained with a seed of its own."
        )


def _settings(model: Model) -> dict[str, Any]:
    run_dir = model.files.run_dir if model.files else None
    return _flat(dataclasses.asdict(load_run_config(run_dir))) if run_dir else {}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
