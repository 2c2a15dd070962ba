"""Telling whether a result is already there: what it was made from, as one short key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import lightning_pose
from lightning_pose.contracts.code_hash import code_hash

_ROOMS = ("contracts", "ops", "video", "data", "models", "inference")  # what predictions hang on


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
