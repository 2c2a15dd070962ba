"""What makes a sweep the one it is: the settings that are not swept, and where it is tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightning_pose.contracts.search_space import Parameter

MAY_CHANGE = ("eval", "tracking", "hydra")  # what no trial is trained by


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """Where the runs of a sweep are recorded.

    Attributes:
        uri, artifact_dir: as in the section ``tracking``.
        experiment: of all its runs.
    """

    uri: str | None
    artifact_dir: str | None
    experiment: str


def fixed_settings(composed: DictConfig, space: Sequence[Parameter]) -> dict[str, str]:
    """Return key -> text of everything that a training depends on and that is not swept."""
    tree: Any = {
        str(name): OmegaConf.to_container(section) if OmegaConf.is_config(section) else section
        for name, section in composed.items_ex(resolve=False)
        if name not in MAY_CHANGE
    }
    swept = [parameter.key.lstrip("+") for parameter in space]
    return {
        key: text
        for key, text in _flat(tree, "").items()
        if not any(key == one or key.startswith(f"{one}.") for one in swept)
    }


def tracked(composed: DictConfig) -> Tracked | None:
    """Return where the sweep is recorded, None if it is not."""
    wishes = composed.tracking
    if not wishes.enabled:
        return None
    generator = OmegaConf.select(composed, "data.generator")
    folder = Path.cwd() / str(OmegaConf.select(composed, "data.data_dir") or "data")
    return Tracked(
        uri=wishes.uri,
        artifact_dir=wishes.artifact_dir,
        experiment=wishes.experiment or generator or folder.name,
    )


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = str(value)
    return found
