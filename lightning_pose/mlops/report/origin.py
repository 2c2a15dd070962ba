"""Where the runs of a report came from, and what their configurations differ in."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.html_page import quiet, table
from lightning_pose.mlops.results import RunResults


def configuration(runs: Sequence[RunResults]) -> str:
    """Return the keys in which the configurations of runs differ; nothing of a single run."""
    if len(runs) < 2:
        return ""
    differing = differing_keys(runs)
    if not differing:
        return quiet("All keys are equal.")
    rows = [
        (f"<code>{html.escape(key)}</code>", *(html.escape(_shown(value)) for value in values))
        for key, values in differing.items()
    ]
    return table(("key", *(html.escape(run.name) for run in runs)), rows)


def differing_keys(runs: Sequence[RunResults]) -> dict[str, tuple[Any, ...]]:
    """Return the value in each run of every configuration key that is not the same in all."""
    trees = [dict(_leaves(dataclasses.asdict(run.config))) for run in runs]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    values = {key: tuple(tree.get(key) for tree in trees) for key in keys}
    return {
        key: of_runs for key, of_runs in values.items() if any(v != of_runs[0] for v in of_runs)
    }


def provenance(run: RunResults) -> str:
    """Return what made a run: code, data, seeds, device, packages."""
    record = run.record
    facts = {name: value for name, value in _facts(record).items() if value}
    rows = [(name, html.escape(value)) for name, value in facts.items()]
    rows += [
        (html.escape(f"data: {name}"), html.escape(_identity(entry)))
        for name, entry in record.data.items()
    ]
    packages = html.escape(json.dumps(record.packages, indent=1))
    return (
        f"<h3>{html.escape(run.name)}</h3>{table(('', ''), rows)}"
        f"<details><summary>packages</summary><pre>{packages}</pre></details>"
    )


def _facts(record: RunRecord) -> dict[str, str]:
    code, trained = record.code, record.metrics.get("training_s")
    commit = str(code.get("commit", "not known"))
    dirty = ", with changes that are not committed" if code.get("dirty") else ""
    return {
        "run": f"{record.run_id}, {record.outcome}",
        "began": record.started,
        "trained for": duration(float(trained)) if trained is not None else "",
        "code": f"litpose {code.get('version', '')}, commit {commit}{dirty}",
        "overrides": without_passwords(" ".join(record.overrides)),
        "seeds": ", ".join(f"{name} {seed}" for name, seed in record.seeds.items()),
        "device": str(record.device.get("gpu") or record.device.get("processor", "")),
        "checkpoint": str(record.checkpoint.get("sha256", "")),
        "tracked as": record.tracking.get("run_id", ""),
    }


def _identity(entry: Mapping[str, Any]) -> str:
    files = entry.get("files")
    if isinstance(files, Mapping):
        return ", ".join(f"{name} {str(facts['sha256'])[:12]}" for name, facts in files.items())
    rows = f", {entry['rows']} rows" if "rows" in entry else ""
    known = f", DVC {entry['dvc_md5']}" if "dvc_md5" in entry else ""
    return f"sha256 {entry.get('sha256', '')}{rows}{known}"


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "not set" if value is None else without_passwords(str(value))
