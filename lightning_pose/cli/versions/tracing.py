"""Lineage for the command line: a tree in the terminal, as JSON, as a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from lightning_pose.cli.terminal import note, say_json
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.versions.archive import Archive
from lightning_pose.mlops.versions.descendants import descendants_of
from lightning_pose.mlops.versions.origin import origin_of
from lightning_pose.mlops.versions.project import project_state
from lightning_pose.mlops.versions.tree import CHANGED, MISSING, Node

WIDE = 400  # where nobody sees a line wrap
COLORS = {CHANGED: "bold red", MISSING: "yellow"}
SHORT = {"sha256": 10, "md5": 10, "dvc_md5": 10, "commit": 10, "project_commit": 10, "run": 8}
HIDDEN = ("bytes", "files", "mlflow_run", "project_root", "dvc_lock", "project_dvc_lock")


def trace(args: argparse.Namespace) -> int:
    """Print where a thing came from, or what came of it; return 0.

    Raises:
        DataError: it is nothing that is known.
        ConfigError: a folder to search is not there; the picture has an unknown suffix.
    """
    from lightning_pose.mlops.versions.picture import check_picture, write_picture

    if args.picture is not None:
        check_picture(args.picture)
    archive = Archive(_folders(args.folders), tracking_uri=args.tracking_uri)
    tree = origin_of(args.thing, archive)
    if args.down:
        tree = descendants_of(tree, archive)
    if args.json:
        say_json(tree.as_plain("made" if args.down else "made_from"))
    else:
        width = None if sys.stdout.isatty() else WIDE
        Console(file=sys.stdout, highlight=False, width=width).print(_drawn(tree))
    for sentence in _remarks(tree, down=args.down):
        note(sentence)
    if args.picture is not None:
        note(f"picture: {write_picture(tree, args.picture, down=args.down)}")
    return 0


def _folders(named: list[Path] | None) -> list[Path]:
    """Return the folders to search; by default the current project, which holds the outputs.

    Raises:
        ConfigError: one that was named is not there.
    """
    for folder in named or ():
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder} to search (--in).")
    if named:
        return named
    here = Path.cwd()
    root = project_state(here).get("root")
    usual = [here / "outputs", here / "multirun", Path(root) if root else here]
    return [folder for folder in usual if folder.is_dir()]


def _drawn(node: Node) -> Tree:
    tree = Tree(_line(node), guide_style="dim")
    for link in node.links:
        tree.add(_drawn(link))
    return tree


def _line(node: Node) -> str:
    color = COLORS.get(node.state)
    state = f" [{color}]{node.state.upper()}[/]" if color else ""
    facts = ", ".join(_facts(node))
    where = node.path if node.path and node.kind not in ("run", "images") else ""
    shown = [part for part in (facts, where) if part]
    more = f"  [dim]{escape('; '.join(shown))}[/]" if shown else ""
    return f"{node.kind} [bold]{escape(node.name)}[/]{state}{more}"


def _facts(node: Node) -> Iterator[str]:
    for name, value in node.facts.items():
        if name in HIDDEN or value in ("", {}):
            continue
        yield f"{name.replace('_', ' ')} {_short(name, value)}"
    if node.kind in ("run", "images") and node.path:
        yield node.path


def _short(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)[: SHORT.get(name, 100)]


def _remarks(tree: Node, *, down: bool) -> Iterator[str]:
    """Yield what to know of the tree: each changed or missing file once."""
    for state, what in ((CHANGED, "changed since it was made or used"), (MISSING, "missing")):
        names = dict.fromkeys(
            node.path or node.name for node in tree.walk() if node.state == state
        )
        for name in names:
            yield f"{name}: {what}."
    if not tree.links:
        yield (
            "Nothing was found that was made from it."
            if down
            else "What people make has no origin that litpose knows; --down tells what was made "
            "from it."
        )
