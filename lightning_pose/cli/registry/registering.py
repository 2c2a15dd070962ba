"""The registry for the command line: what is in it, what goes in, and the way back."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from lightning_pose.cli.registry.promoting import tell_tracked
from lightning_pose.cli.terminal import say, say_json, say_table
from lightning_pose.cli.train.run_tags import data_set_name
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ModelError
from lightning_pose.mlops.registry import CHAMPION, ModelRegistry, RegisteredVersion


def list_models(args: argparse.Namespace) -> int:
    """Print each model with its newest version and its champion; return 0."""
    registry = ModelRegistry.open(args.tracking_uri)
    models = {name: registry.versions(name) for name in registry.names()}
    if args.json:
        say_json({name: [as_plain(v) for v in versions] for name, versions in models.items()})
        return 0
    rows = []
    for name, versions in models.items():
        holders = {alias: v.version for v in versions for alias in v.aliases}
        aliases = ", ".join(f"{alias} {number}" for alias, number in sorted(holders.items()))
        rows.append((name, len(versions), aliases))
    say_table(rows, ("model", "versions", "aliases"))
    return 0


def show_model(args: argparse.Namespace) -> int:
    """Print the versions of a model; return 0."""
    versions = ModelRegistry.open(args.tracking_uri).versions(args.name)
    if args.json:
        say_json([as_plain(version) for version in versions])
        return 0
    header = ("version", "aliases", "run", "weights", "compared", "px", "champion's px", "frames")
    say_table([_row(version) for version in versions], header)
    return 0


def register(args: argparse.Namespace) -> int:
    """Store a trained model; return 0."""
    if not args.run_dir.is_dir():
        raise ModelError(f"There is no folder {args.run_dir}; expected a run directory.")
    name = args.name or data_set_name(load_run_config(args.run_dir).data)
    registry = ModelRegistry.open(args.tracking_uri, create=args.tracking_uri is not None)
    version = registry.register(args.run_dir, name)
    if args.json:
        say_json(as_plain(version))
        return 0
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    say(f"{version.uri}{aliases}")
    return 0


def roll_back(args: argparse.Namespace) -> int:
    """Make the previous champion the champion again; return 0."""
    champion, replaced = ModelRegistry.open(args.tracking_uri).roll_back(args.name)
    if args.json:
        say_json({CHAMPION: champion.version, "replaced": replaced.version})
    else:
        again = f"version {champion.version} is the champion again, for {replaced.version}"
        say(f"{args.name}: {again}")
    tell_tracked(champion, args.tracking_uri)
    return 0


def as_plain(version: RegisteredVersion) -> dict[str, Any]:
    """Return a version as plain values."""
    return {**dataclasses.asdict(version), "uri": version.uri}


def _row(version: RegisteredVersion) -> tuple[object, ...]:
    verdict = version.verdict
    return (
        version.version,
        ", ".join(version.aliases),
        version.mlflow_run[:8],
        version.checkpoint_sha256[:8],
        verdict.get("reason", "-"),
        verdict.get("challenger_px"),
        verdict.get("champion_px"),
        verdict.get("frames"),
    )
