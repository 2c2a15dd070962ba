"""Suspect labels for the command line: a table, JSON, and a worklist to correct them."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.cli.judge.held_out import learnt_images, predict_tables, read_scorable
from lightning_pose.cli.judge.scored_frames import label_places
from lightning_pose.cli.opening import open_together
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.augmentation.sides import find_hflip_pairs
from lightning_pose.data.wording import count
from lightning_pose.data.worklists import worklist_names, write_worklist
from lightning_pose.inference.model import Model
from lightning_pose.metrics.isotonic import share_of_size_px
from lightning_pose.metrics.label_audit import SWAPPED, AuditRule, Suspect, audit_labels
from lightning_pose.mlops.provenance import now

LEAST_SHARE = 0.03  # of the animal's size
SHOWN = 20
TAGS = {SWAPPED: "swap"}
BAD = "bad_label"
HEADER = ("image", "keypoint", "what", "px", "usual px", "times", "models")


@dataclass(frozen=True, kw_only=True)
class AuditedTable:
    """The suspects of one file of labels."""

    table: LabelTable
    view: str
    suspects: list[Suspect]

    def keypoints(self, suspect: Suspect) -> str:
        """Return the names of the keypoints of a suspect, and of the view if there are several."""
        names = " / ".join(self.table.keypoint_names[column] for column in suspect.keypoints)
        return f"{self.view} {names}".strip()


def audit(args: argparse.Namespace) -> int:
    """Print which labels all models contradict; return 0.

    Raises:
        ConfigError: an option has no sense, or a model is named twice.
        ModelError: the models are of other keypoints or views.
    """
    _check(args)
    models = open_together(args.models, args)
    learnt = [learnt_images(model) for model in models]
    found = [
        audited
        for files, folder in label_places(models[0], args, named=args.models[0])
        for audited in _audited(models, learnt, files, folder, args)
    ]
    if args.out is not None:
        _write(found, args)
    if args.json:
        say_json([plain for audited in found for plain in _as_plain(audited)])
    else:
        _say(found, models=len(models))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise ConfigError if an option has no sense."""
    if args.out is not None and args.out.suffix != ".csv":
        raise ConfigError(f"A worklist is written as csv; name one with --out, not {args.out}.")
    if args.out is not None:
        _refuse_to_replace(args.out)
    if not 0 < args.factor < np.inf:
        raise ConfigError(f"--factor should be above 0, not {args.factor:g}.")
    if args.least_px is not None and not 0 <= args.least_px < np.inf:
        raise ConfigError(f"--least-px is a distance in pixels, not {args.least_px:g}.")


def _refuse_to_replace(out: Path) -> None:
    """Raise ConfigError if a file is there already: labels, or what a person has corrected."""
    if out.exists():
        raise ConfigError(f"{out} is there already; choose another --out, or move it away.")


def _audited(
    models: Sequence[Model],
    learnt: Sequence[Collection[str]],
    files: Sequence[Path],
    folder: Path,
    args: argparse.Namespace,
) -> Iterator[AuditedTable]:
    """Yield the suspects of each view."""
    tables = read_scorable(models[0], files, data_dir=folder)
    predicted = [predict_tables(model, tables, args.bbox_file) for model in models]
    seen = np.array([[image in own for image in tables[0].images] for own in learnt])
    for number, table in enumerate(tables):
        least = args.least_px
        if least is None:
            least = share_of_size_px(table.xy_img, LEAST_SHARE)
        yield AuditedTable(
            table=table,
            view=models[0].view_names[number] if len(tables) > 1 else "",
            suspects=audit_labels(
                table.xy_img,
                np.stack([views[number].xy_img for views in predicted]),
                learnt=seen,
                pairs=_pairs(table.keypoint_names),
                rule=AuditRule(factor=args.factor, least_px=least),
            ),
        )


def _pairs(keypoint_names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the keypoints that differ in left and right; none where names leave a doubt."""
    try:
        return find_hflip_pairs(keypoint_names)
    except ConfigError:
        note(
            "Names of keypoints do not say which are left and right of the same; no swap is found."
        )
        return ()


def _say(found: Sequence[AuditedTable], *, models: int) -> None:
    ranked = sorted(
        ((audited, suspect) for audited in found for suspect in audited.suspects),
        key=lambda pair: -pair[1].ratio,
    )
    if ranked:
        say_table([_row(*pair) for pair in ranked[:SHOWN]], HEADER)
    if len(ranked) > SHOWN:
        note(f"{len(ranked) - SHOWN} more; --json lists all.")
    labels = sum(int(audited.table.labelled.sum()) for audited in found)
    points = sum(len(suspect.keypoints) for _, suspect in ranked)
    say(f"{points} of {labels} labels are contradicted by {count(models, 'model')}.")
    if any(suspect.learnt for _, suspect in ranked):
        note(
            "Some of these frames were learnt from by every model, which hides wrong labels. Add "
            "models that were trained on another split (training.rng_seed_data_pt=1, say)."
        )


def _row(audited: AuditedTable, suspect: Suspect) -> tuple[object, ...]:
    return (
        audited.table.images[suspect.row],
        audited.keypoints(suspect),
        suspect.kind,
        suspect.distance_px,
        suspect.usual_px,
        f"{suspect.ratio:.0f}",
        f"{suspect.models}{' that learnt it' if suspect.learnt else ''}",
    )


def _as_plain(audited: AuditedTable) -> Iterator[dict[str, Any]]:
    names = audited.table.keypoint_names
    for suspect in audited.suspects:
        yield {
            "labels": str(audited.table.source),
            "view": audited.view,
            "image": audited.table.images[suspect.row],
            "keypoints": [names[column] for column in suspect.keypoints],
            "kind": suspect.kind,
            "distance_px": suspect.distance_px,
            "usual_px": suspect.usual_px,
            "spread_px": suspect.spread_px,
            "models": suspect.models,
            "learnt": suspect.learnt,
            "proposed": [list(place) for place in suspect.proposed_xy],
        }


def _write(found: Sequence[AuditedTable], args: argparse.Namespace) -> None:
    """Write the frames with suspects as worklists, one a file of labels."""
    names = worklist_names([one.table.source or one.view for one in found])
    suspected = [
        (one, args.out.with_stem("_".join(filter(None, (args.out.stem, name)))))
        for one, name in zip(found, names, strict=True)
        if one.suspects
    ]
    for _, out in suspected:
        _refuse_to_replace(out)
    for audited, out in suspected:
        rows = sorted({suspect.row for suspect in audited.suspects})
        write_worklist(
            audited.table.rows(np.array(rows)),
            out,
            labels=audited.table,
            source=f"litpose audit {' '.join(map(str, args.models))}",
            made=now(),
            frames=_frames(audited),
        )
        note(f"worklist: {out}, {count(len(rows), 'frame')} of {audited.table.source}")


def _frames(audited: AuditedTable) -> dict[str, dict[str, Any]]:
    frames: dict[str, dict[str, Any]] = {}
    for suspect, plain in zip(audited.suspects, _as_plain(audited), strict=True):
        frame = frames.setdefault(str(plain["image"]), {"tags": [], "suspects": []})
        tag = TAGS.get(suspect.kind, BAD)
        frame["tags"] = sorted({*frame["tags"], tag})
        frame["suspects"].append({k: plain[k] for k in ("keypoints", "kind", "proposed")})
    return frames
