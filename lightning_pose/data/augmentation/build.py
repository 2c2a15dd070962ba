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
from lightning_pose.data.augmentation.settings import read_settings
from lightning_pose.data.augmentation.transform import TRANSFORMS, Step

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
    return Augmenter(tuple(step for step in steps if step is not None))


def _recipe(imgaug: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping of a preset, or the given one laid over its ``preset``."""
    if isinstance(imgaug, str):
        return dict(AUGMENTATIONS.get(imgaug)())
    own = dict(imgaug)
    preset = own.pop("preset", None)
    base = {} if preset is None else dict(AUGMENTATIONS.get(str(preset))())
    return {**base, **own}


def _build_step(
    name: str, entry: object, hflip_pairs: Sequence[tuple[int, int]] | None
) -> Step | None:
    """Return the step that ``name: entry`` of a recipe describes, None if its p is 0."""
    transform_class = TRANSFORMS.get(name)
    p, given = _read_entry(name, entry, transform_class)
    if p == 0.0:
        return None
    if issubclass(transform_class, Flip) and hflip_pairs is not None:
        given.setdefault("pairs", hflip_pairs)
    settings, problems = read_settings(transform_class, given)
    if problems:
        raise ConfigError(f"Augmentation {name}: {'; '.join(problems)}.")
    return Step(name=name, p=p, transform=transform_class(**settings))


def _read_entry(name: str, entry: object, owner: type) -> tuple[float, dict[str, Any]]:
    """Return p and the settings of one entry, which are all settings that ``owner`` has."""
    content = {} if entry is None else entry
    if not isinstance(content, Mapping) or set(content) - {"p", "args", "kwargs"}:
        raise ConfigError(
            f"Augmentation {name}: expected a mapping with the keys p and args, got {entry!r}."
        )
    p = content.get("p", DEFAULT_P)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
        raise ConfigError(f"Augmentation {name}: p must be a number from 0 to 1, got {p!r}.")
    known = [field.name for field in fields(owner)]
    given = _by_name(name, content.get("args"), known) | _by_name(
        name, content.get("kwargs"), known
    )
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"Augmentation {name} has no setting {key!r}.{hint} "
                f"It has: {', '.join(known) or 'none'}."
            )
    return float(p), given


def _by_name(name: str, given: object, known: list[str]) -> dict[str, Any]:
    """Return settings by name; a list names them by the order in which they are declared."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) > len(known):
        raise ConfigError(
            f"Augmentation {name}: args must be a mapping with keys out of "
            f"{', '.join(known) or 'none'}; got {given!r}."
        )
    return dict(zip(known, given, strict=False))
