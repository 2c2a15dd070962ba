"""From what the configuration says under ``training.imgaug`` to an augmenter."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import AUGMENTATIONS
from lightning_pose.data.augmentation.augmenter import Augmenter
from lightning_pose.data.augmentation.geometry import Flip
from lightning_pose.data.augmentation.transform import TRANSFORMS, Step, Transform

DEFAULT_P = 0.5
HFLIP = "Fliplr"
HFLIP_P = 0.5


def build_augmenter(
    imgaug: str | Mapping[str, Any], *, hflip_pairs: Sequence[tuple[int, int]] | None = None
) -> Augmenter:
    """Return the augmenter that ``imgaug`` describes.

    Args:
        imgaug: name of a preset; or ``{transform: {p, args}}``, where p is how likely a sample
            gets it (0.5 if not said) and args are its settings (``kwargs`` is read as well). With
            the key ``preset`` the mapping changes and adds to that preset; p 0 takes a step out.
        hflip_pairs: keypoints that swap names in a mirrored picture. Given, even empty, half of
            the samples are mirrored left to right; None: none are, unless ``imgaug`` says so.

    Raises:
        ConfigError: a preset, transform or setting does not exist or has a value it cannot have.

    Example:
        >>> build_augmenter({"Rotate": {"p": 0.4, "args": {"rotate": [-10, 10]}}})
        Augmenter(Rotate(rotate=(-10.0, 10.0)) with p=0.4)
    """
    recipe = _recipe(imgaug)
    if hflip_pairs is not None:
        recipe.setdefault(HFLIP, {"p": HFLIP_P})
    steps = (_build_step(name, entry, hflip_pairs) for name, entry in recipe.items())
    return Augmenter(tuple(step for step in steps if step.p > 0.0))


def _recipe(imgaug: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping of a preset, or the given one laid over its ``preset``."""
    if isinstance(imgaug, str):
        return dict(AUGMENTATIONS.get(imgaug)())
    if not isinstance(imgaug, Mapping):
        raise ConfigError(
            "training.imgaug must be the name of a preset or a mapping {transform: {p, args}}; "
            f"got {imgaug!r}. Presets: {', '.join(AUGMENTATIONS.names())}."
        )
    own = dict(imgaug)
    preset = own.pop("preset", None)
    base = {} if preset is None else dict(AUGMENTATIONS.get(str(preset))())
    return {**base, **own}


def _build_step(name: str, entry: object, hflip_pairs: Sequence[tuple[int, int]] | None) -> Step:
    """Return the step that ``name: entry`` of a recipe describes."""
    transform_class = TRANSFORMS.get(name)
    p, args = _read_entry(name, entry, transform_class)
    if issubclass(transform_class, Flip) and hflip_pairs is not None:
        args.setdefault("pairs", hflip_pairs)
    return Step(name=name, p=p, transform=transform_class(**args))


def _read_entry(
    name: str, entry: object, transform_class: type[Transform]
) -> tuple[float, dict[str, Any]]:
    """Return p and the settings of one entry, with only keys that exist."""
    given = {} if entry is None else entry
    if not isinstance(given, Mapping) or set(given) - {"p", "args", "kwargs"}:
        raise ConfigError(
            f"Augmentation {name}: expected a mapping with the keys p and args, got {entry!r}."
        )
    p = given.get("p", DEFAULT_P)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
        raise ConfigError(f"Augmentation {name}: p must be a number from 0 to 1, got {p!r}.")
    return float(p), _settings(name, given, transform_class)


def _settings(
    name: str, given: Mapping[str, Any], transform_class: type[Transform]
) -> dict[str, Any]:
    known = [field.name for field in fields(transform_class)]
    settings: dict[str, Any] = {}
    for part in (given.get("args"), given.get("kwargs")):
        if part is None:
            continue
        if not isinstance(part, Mapping):
            part = _by_position(name, part, known)
        settings.update(part)
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            listed = ", ".join(known) or "none"
            raise ConfigError(
                f"Augmentation {name} has no setting {key!r}.{hint} It has: {listed}."
            )
    return settings


def _by_position(name: str, part: object, known: list[str]) -> dict[str, Any]:
    """Return settings given as a list, in the order in which the transform declares them."""
    if not isinstance(part, Sequence) or isinstance(part, str) or len(part) > len(known):
        raise ConfigError(
            f"Augmentation {name}: args must be a mapping of {', '.join(known) or 'nothing'}; "
            f"got {part!r}."
        )
    return dict(zip(known, part, strict=False))
