"""A thing of a study and what it was made from, or what was made from it, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.file_hashes import Kind, file_hash, has_stamp

AS_RECORDED, CHANGED, MISSING, NOT_RECORDED = "as recorded", "changed", "missing", ""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One thing.

    Attributes:
        kind: predictions, labelled video, metric, model, run, configuration, code, labels...
        name: short, for people.
        path: where it is, or was; empty for what is no file.
        state: as recorded, changed (since it was made, or used), missing, or empty: nobody wrote
            down what it was.
        facts: what else is known.
        links: what it was made from; in a walk down what was made from it.
    """

    kind: str
    name: str
    path: str = ""
    state: str = NOT_RECORDED
    facts: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Node, ...] = ()

    def as_plain(self, links: str) -> dict[str, Any]:
        """Return the tree as plain values; the links under the name given."""
        return {
            "kind": self.kind,
            "name": self.name,
            "path": self.path,
            "state": self.state,
            "facts": dict(self.facts),
            links: [node.as_plain(links) for node in self.links],
        }

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it; one that several lead to comes several times."""
        yield self
        for node in self.links:
            yield from node.walk()


def state_of(path: Path, recorded: str, *, kind: Kind | Literal["stamp"] = "sha256") -> str:
    """Return whether a file has the hash that was recorded.

    Args:
        path: the file.
        recorded: its hash; empty = none was recorded.
        kind: sha256, sampled_sha256 or md5; "stamp" if the hash names its kind itself.
    """
    if not path.exists():
        return MISSING
    if not recorded:
        return NOT_RECORDED
    try:
        if kind == "stamp":
            return AS_RECORDED if has_stamp(path, recorded) else CHANGED
        return AS_RECORDED if file_hash(path, kind) == recorded else CHANGED
    except DataError:  # it may not be read
        return MISSING


def relocated(path: Path, *, beside: Path | None) -> Path:
    """Return where a file is that was recorded elsewhere: a project may have been moved whole.

    Args:
        path: as recorded; returned as it is if something is there, or nothing is found.
        beside: a file or folder that moved along: what the two paths have in common above both
            may be called otherwise now.
    """
    if beside is None or path.exists():
        return path
    for folder in beside.absolute().parents:
        for start in range(1, len(path.parts)):
            found = folder.joinpath(*path.parts[start:])
            if found.exists() and start < len(path.parts) - 1:
                return found
    found = [folder / path.name for folder in beside.absolute().parents[:3]]
    return next((place for place in found if place.exists()), path)
