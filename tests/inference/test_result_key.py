"""Keys tell results apart."""

from __future__ import annotations

import lightning_pose
from lightning_pose.inference.result_key import code_version, result_key


def test_each_part_changes_the_key() -> None:
    parts = {"model": "m", "source": ["s"], "precision": "bf16"}
    keys = {result_key(parts)} | {result_key(parts | {name: "other"}) for name in parts}
    assert len(keys) == 4
    assert result_key(parts) == result_key(dict(reversed(parts.items())))


def test_the_code_is_named_by_version_and_content() -> None:
    assert code_version().startswith(f"{lightning_pose.__version__}+")
