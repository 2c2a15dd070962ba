"""What is said of a run that was made again: identical, equal within a tolerance, or different."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.config.load import FILE_NAME
from lightning_pose.config.yaml_file import leaves
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.data.wording import count, listed
from lightning_pose.mlops.versions.run_comparison import (
    DIFFERENT,
    IDENTICAL,
    RunComparison,
)

FREE = ("tracking.", "follows_max_epochs", "model.resume", "model.model_name")
DEVICE = ("processor", "threads", "gpu", "gpus", "cuda", "driver")
CODE = ("version", "commit", "dirty", "diff_sha256")
SHOWN = 8


def say_reproduction(
    found: RunComparison,
    causes: Mapping[str, list[str]],
    *,
    notes: Sequence[str],
    as_json: bool,
) -> None:
    """Print the verdict and what differs.

    Args:
        found: the comparison.
        causes: from :func:`causes_of`.
        notes: on code and data that could not be had as they were.
        as_json: print one JSON object.
    """
    if as_json:
        say_json(
            {
                "verdict": found.verdict,
                "tolerance": dataclasses.asdict(found.tolerance),
                "outside": found.outside,
                "causes": causes,
                "notes": tuple(notes),
                "metrics": [dataclasses.asdict(number) for number in found.metrics],
                "compared_metrics": found.num_metrics,
                "predictions": [dataclasses.asdict(table) for table in found.predictions],
                "weights": [dataclasses.asdict(one) for one in found.weights],
            }
        )
        return
    say(_verdict(found))
    for sentence in found.outside[:SHOWN]:
        say(f"  {sentence}")
    if found.verdict != IDENTICAL:
        _say_tables(found)
    for name, changes in causes.items():
        say(f"{name} differ: {listed(changes, shown=SHOWN)}")
    if found.verdict == DIFFERENT and not causes:
        note("Configuration, code, packages and device are the same: the training itself is not.")


def causes_of(run_dir: Path, again: Path, *, asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what was other when the run was made again, by kind.

    Args:
        run_dir: of the original.
        again: the new run directory.
        asked: the configuration of the original, with the paths of the data as they are now.
    """
    before, after = RunRecord.read(run_dir / RUN_FILE), RunRecord.read(again / RUN_FILE)
    pairs = {
        "settings": (_settings(asked), _settings(_tree(again))),
        "code": (_chosen(before.code, CODE), _chosen(after.code, CODE)),
        "packages": (before.packages, after.packages),
        "device": (_chosen(before.device, DEVICE), _chosen(after.device, DEVICE)),
    }
    found = {name: list(_changes(*pair)) for name, pair in pairs.items()}
    return {name: changes for name, changes in found.items() if changes}


def _verdict(found: RunComparison) -> str:
    things = [
        count(found.num_metrics, "number") if found.num_metrics else "",
        count(len(found.predictions), "table") + " of predictions" if found.predictions else "",
        count(sum(w.tensors for w in found.weights), "tensor") if found.weights else "",
    ]
    compared = ", ".join(thing for thing in things if thing)
    if found.verdict == IDENTICAL:
        return f"identical: {compared}, bit for bit"
    limits = f"{found.tolerance.px:g} px or {found.tolerance.relative:.0%} of an error"
    within = "" if found.verdict == DIFFERENT else f" ({limits})"
    return f"{found.verdict}{within}: {compared} compared"


def _say_tables(found: RunComparison) -> None:
    if found.predictions:
        header = ("predictions", "mean px apart", "largest", "other points")
        rows = [(t.name, t.mean_px, t.largest_px, t.other_points) for t in found.predictions]
        say_table(rows, header)
    for weights in found.weights:
        if weights.differing:
            say(
                f"{weights.name}: {len(weights.differing)} of {weights.tensors} tensors differ, "
                f"by up to {weights.largest:.1e} of their largest value"
            )
    if found.metrics:
        shown = [
            f"{n.name} {_short(n.before)} -> {_short(n.after)}" for n in found.metrics[:SHOWN]
        ]
        rest = len(found.metrics) - len(shown)
        say(f"metrics: {'; '.join(shown)}{f'; and {rest} more' if rest else ''}")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _tree(run_dir: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run_dir / FILE_NAME).read_text(encoding="utf-8")))


def _settings(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in leaves(tree) if not key.startswith(FREE)}


def _chosen(facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: facts[name] for name in names if name in facts}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"{name} {_word(old)} -> {_word(new)}"


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
