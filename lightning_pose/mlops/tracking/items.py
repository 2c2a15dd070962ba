"""What a run hands to its store, and the line of the spool that holds it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError


@dataclass(frozen=True)
class Metrics:
    """Values of one step."""

    values: dict[str, float]
    step: int
    time_ms: int


@dataclass(frozen=True)
class Artifact:
    """A file to store."""

    path: Path
    folder: str | None = None


@dataclass(frozen=True)
class Inputs:
    """Data a run was made from: name -> path, sha256 and what else is known of it."""

    entries: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TrainedModel:
    """The best checkpoint of a run directory, to be stored as a model that predicts."""

    run_dir: Path


@dataclass(frozen=True)
class End:
    """The run is over."""

    outcome: str
    time_ms: int = field(default_factory=lambda: now_ms())


Item = Metrics | Artifact | Inputs | TrainedModel | End
KINDS: dict[str, type[Item]] = {
    kind.__name__.lower(): kind for kind in (Metrics, Artifact, Inputs, TrainedModel, End)
}
PATHS = ("path", "run_dir")


def line_of(item: Item) -> dict[str, Any]:
    """Return an item as plain values; paths become absolute."""
    plain = {
        key: str(value.absolute()) if isinstance(value, Path) else value
        for key, value in vars(item).items()
    }
    return {"kind": type(item).__name__.lower(), **plain}


def item_of(line: Mapping[str, Any]) -> Item:
    """Return the item of a line of the spool.

    Raises:
        DataError: no version of the program wrote such a line.
    """
    kind = KINDS.get(str(line.get("kind")))
    if kind is None:
        raise DataError(f"The spool has a line of the unknown kind {line.get('kind')!r}.")
    names = {field.name for field in dataclasses.fields(kind)}
    values = {key: value for key, value in line.items() if key in names}
    for key in PATHS:
        if key in values:
            values[key] = Path(values[key])
    return kind(**values)


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow wants it."""
    return int(time.time() * 1000)
