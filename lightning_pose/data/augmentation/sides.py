"""Find which keypoints change places when a picture is mirrored, from their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lightning_pose.contracts.errors import ConfigError

_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}
# A word; a capital that ends a word ("earL", "L_ear") or begins a short code ("paw1LH", left hind)
# or a capitalised word ("LEar"); a lone small letter ("l_ear", "ear_l", "lEar").
_SIDE = re.compile(
    r"(?:(?<![A-Za-z])|(?=[LR][a-z]))(?i:left|right)"
    r"|(?<![A-Z])[LR](?=[A-Z]?(?![A-Za-z]))"
    r"|(?<![A-Za-z])[LR](?=[A-Z][a-z])"
    r"|(?<![A-Za-z])[lr](?![a-z])"
)


def find_hflip_pairs(keypoint_names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the index pairs of keypoints whose names differ only in left and right.

    Understood are left/right as words and the letters L/R where a word begins or ends. Where no
    such name exists, digits may differ too (``paw1LH``, ``paw4RH``), if that leaves one choice.

    Raises:
        ConfigError: a name tells a side but has no partner, or more than one.

    Example:
        >>> find_hflip_pairs(["nose", "ear_left", "ear_right", "paw1LH", "paw4RH"])
        ((1, 2), (3, 4))
    """
    index = {name: i for i, name in enumerate(keypoint_names)}
    pairs: dict[int, int] = {}
    for name in keypoint_names:
        mirrored = _mirrored_names(name)
        if not mirrored:
            continue
        partners = [other for other in keypoint_names if other in mirrored] or [
            other for other in keypoint_names if _undigited(other) in map(_undigited, mirrored)
        ]
        if len(partners) != 1:
            raise ConfigError(_unclear(name, partners))
        pairs[index[name]] = index[partners[0]]
    for first, second in pairs.items():
        if pairs.get(second) != first:
            raise ConfigError(_unclear(keypoint_names[second], [keypoint_names[first]]))
    return tuple(sorted((a, b) for a, b in pairs.items() if a < b))


def _mirrored_names(name: str) -> set[str]:
    """Return ``name`` with the side changed where it is told: in one place, or in all."""
    places = list(_SIDE.finditer(name))
    one = {name[: m.start()] + _other_side(m) + name[m.end() :] for m in places}
    return one | {_SIDE.sub(_other_side, name)} if places else set()


def _other_side(match: re.Match[str]) -> str:
    word = match.group()
    other = _OTHER_SIDE[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def _undigited(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _unclear(name: str, partners: Sequence[str]) -> str:
    found = f"could mirror to any of {', '.join(partners)}" if partners else "has no partner"
    return (
        f"Mirroring needs to know which keypoints change sides, and {name!r} {found}. Say it: "
        "training.imgaug_hflip=false and training.imgaug={preset: dlc, Fliplr: {p: 0.5, args: "
        "{pairs: [[0, 1], ...]}}} with pairs of keypoint numbers, counted from 0."
    )
