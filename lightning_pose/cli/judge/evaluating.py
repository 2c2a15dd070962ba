"""Evaluating for the command line."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.cli.judge.evaluation import evaluate_labels, say_summary, write_summary
from lightning_pose.cli.judge.held_out import read_scorable, scorable
from lightning_pose.cli.judge.scores import write_by_keypoint, write_scores
from lightning_pose.cli.opening import open_model
from lightning_pose.cli.predict.boxes import label_boxes
from lightning_pose.cli.terminal import note, say_json
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labeled_data import read_tables
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import Note, ResultFiles
from lightning_pose.inference.result_key import code_version
from lightning_pose.inference.session import PredictSettings, Session

METRICS = "metrics.json"
STEM = "predictions"


def evaluate_and_report(args: argparse.Namespace) -> int:
    """Evaluate a model on labels and print the numbers; return 0."""
    if args.out is not None:
        check_is_no_file(args.out)
    model = open_model(
        args.model,
        device=args.device,
        precision=args.precision,
        tracking_uri=args.tracking_uri,
    )
    tables, sets = labels_and_sets(model, args.csv, data_dir=args.data_dir, named=args.model)
    bboxes = label_boxes(model, args.bbox_file)
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        found = evaluate_labels(model, tables, sets, out=out, bboxes=bboxes)
        for failure in found.failures:
            note(failure)
        metrics = write_summary(out / METRICS, {"labels": found.summary})
        _note_origin(model, tables, (*found.files, metrics))
    if args.scores is not None:
        write_scores(args.scores, found.summary, model.view_names)
    if args.by_keypoint is not None:
        write_by_keypoint(args.by_keypoint, found.summary, model.view_names)
    if args.json:
        say_json(found.summary)
    else:
        say_summary(found.summary, model.view_names)
    if args.out:
        note(f"results: {args.out}")
    return 0


def _note_origin(model: Model, tables: Sequence[LabelTable], files: Sequence[Path]) -> None:
    """Write beside the results what made them, view by view."""
    weights = model.files.checkpoint_sha256 if model.files else ""
    made_from = {"model": weights, "run": model.run_id, "code": code_version()}
    for number, table in enumerate(tables):
        stem = f"{STEM}_{model.view_names[number]}" if len(tables) > 1 else STEM
        own = Note(
            key="",
            source=str((table.source or table.root).absolute()),
            made_from=made_from,
            num_frames=len(table),
            model=str(model.files.checkpoint.absolute()) if model.files else "",
        )
        for path in files:
            if path.stem == stem or path.stem.startswith(f"{stem}_") or path.name == METRICS:
                own = own.with_file(path)
        own.write(ResultFiles(files[0].parent, stem).note)


def labels_and_sets(
    model: Model, csv: Sequence[Path] | None, *, data_dir: Path | None = None, named: str = ""
) -> tuple[list[LabelTable], tuple[str, ...]]:
    """Return labels that can be scored, one table a view, and what each row was to the model.

    Args:
        model: whose keypoints they must be of.
        csv: one file a view; None = those the model was made from.
        data_dir: folder of the images; None = the run's, or that of the files.
        named: how the user named the model.

    Raises:
        ConfigError: no labels are known.
        DataError: they cannot be used.
    """
    run_dir = model.files.run_dir if model.files else None
    if csv is None:
        if run_dir is None:
            raise ConfigError(
                f"{named} is a checkpoint without its run directory, so its labels are not "
                "known. Name them with --csv."
            )
        data = load_run_config(run_dir).data
        if data_dir is not None:
            data.data_dir = str(data_dir)
        tables = [scorable(table) for table in read_tables(data)]
        files = [table.source for table in tables if table.source is not None]
    else:
        files = list(csv)
        tables = read_scorable(model, files, data_dir=data_dir)
    inputs = [Input(kind=Kind.LABELS, path=path) for path in files]
    return tables, Session(inputs, PredictSettings(data_dir=tables[0].root)).sets(model)
