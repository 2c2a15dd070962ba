"""Telling whether a result is already there: what it was made from, as one short key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import lightning_pose
from lightning_pose.contracts.code_hash import code_hash, plugin_hash
from lightning_pose.contracts.registry import BACKBONES, READERS, TRACKERS

_ROOMS = ("contracts", "ops", "video", "data", "models", "inference")  # what predictions hang on
_PREDICTING = (TRACKERS, BACKBONES, READERS)


def result_key(parts: Mapping[str, Any]) -> str:
    """Return 64 hexadecimal digits that change when any of ``parts`` does.

    Args:
        parts: plain values (JSON).
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def code_version() -> str:
    """Return the package's version and a hash of the code that predictions hang on."""
    return f"{lightning_pose.__version__}+{code_hash(_ROOMS)}"


def plugin_code() -> dict[str, str]:
    """Return a hash of the code of each plug-in that brings a tracker, backbone or reader."""
    modules = {entry.value.__module__ for kind in _PREDICTING for entry in kind}
    return {name: plugin_hash(name) for name in sorted(modules) if not _is_ours(name)}


def code_of(value: object) -> str:
    """Return a hash of the code of a value's class: of its room, or of its plug-in."""
    module = type(value).__module__
    return code_hash((module.split(".")[1],)) if _is_ours(module) else plugin_hash(module)


def _is_ours(module: str) -> bool:
    return module.startswith(f"{lightning_pose.__name__}.")
