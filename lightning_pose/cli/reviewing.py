"""Reviews for the command line: built, opened, and what is marked in them exported."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning_pose.cli.terminal import ProgressLine, note, say, say_json, say_table
from lightning_pose.config.load import load_run_config
from lightning_pose.config.run_dirs import find_run
from lightning_pose.contracts.errors import ConfigError, DataError, ModelError
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.inference.outputs import Note, ResultFiles
from lightning_pose.data.wording import count
from lightning_pose.mlops.registry import is_registered, local_model
from lightning_pose.mlops.results import (
    NOTE_ENDING,
    RECORD,
    RunResults,
    distinct_names,
    read_run_results,
)
from lightning_pose.mlops.review.app import check_port, serve
from lightning_pose.mlops.review.building import ReviewRequest, build_review
from lightning_pose.mlops.review.database import fiftyone_of
from lightning_pose.mlops.review.dataset import Built, find_ours
from lightning_pose.mlops.review.exporting import marked_pictures, write_worklists
from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.versions.archive import Archive, run_in

TO_LABEL = "to_label"
SEARCHED = ("outputs", "multirun", "runs")  # for the directory of a registered model's run


def build(args: argparse.Namespace) -> int:
    """Build a data set of pictures and what models say of them; return 0."""
    if args.frames < 0 or args.clips < 0:
        raise ConfigError("--frames and --clips should be 0 or more.")
    if args.launch:
        check_port(args.address, args.port)
    folders = [run_folder(model, args.tracking_uri) for model in args.models]
    names = args.names or distinct_names(folders)
    if len(names) != len(folders) or len(set(names)) != len(names):
        raise ConfigError(
            f"--names should name each of the {len(folders)} models differently, got "
            f"{', '.join(names)}."
        )
    runs = [
        read(folder, name, args.predictions, args.data_dir)
        for folder, name in zip(folders, names, strict=True)
    ]
    request = ReviewRequest(
        name=args.name or Path(runs[0].config.data.data_dir or "review").name,
        runs=runs,
        project=Path.cwd(),
        videos=args.videos,
        frames=args.frames,
        command=shlex.join(["litpose", *sys.argv[1:]]),
    )
    with ProgressLine("chosen frames") as line:
        built = build_review(request, progress=line.update)
    _tell(request.name, built, as_json=args.json)
    if args.launch:
        _open(request.name, args)
    return 0


def export(args: argparse.Namespace) -> int:
    """Write the pictures that have a tag as a worklist; return 0."""
    if args.out.suffix.lower() != ".csv":
        raise ConfigError(f"--out names the csv of the worklist, not {args.out}.")
    if args.out.exists():
        raise ConfigError(f"{args.out} is there already; choose another --out, or move it away.")
    tags = args.tag or [TO_LABEL]
    fo = fiftyone_of(Path.cwd())
    dataset = _existing(fo, args.name)
    field = None if args.proposals is None else model_fields([args.proposals])[0]
    pictures = marked_pictures(dataset, tags, proposals=field)
    files = write_worklists(
        pictures,
        args.out,
        keypoint_names=dataset.default_skeleton.labels,
        layout=args.layout,
        source=shlex.join(["litpose", *sys.argv[1:]]),
    )
    if args.json:
        images = [{"image": one.image, "tags": one.tags} for one in pictures]
        say_json({"files": [str(file) for file in files], "images": images})
        return 0
    for file in files:
        say(f"worklist: {file}")
    labels = next((one.label_file for one in pictures if one.label_file), "LABELS.csv")
    note(
        f"{count(len(pictures), 'picture')}. When they are labelled: litpose labels merge "
        f"{labels} {files[0]} --in-place"
    )
    return 0


def open_app(args: argparse.Namespace) -> int:
    """Serve the app until it is interrupted; return 0."""
    check_port(args.address, args.port)
    _open(args.name, args)
    return 0


def read(
    folder: Path, name: str, predictions: Sequence[Path], data_dir: Path | None
) -> RunResults:
    """Return what a run says; of further predictions those that its model made.

    Args:
        folder: the run directory.
        name: of the model, as it is to be shown.
        predictions: folders or tables, of any model.
        data_dir: where the labelled images are now; None = where they were.
    """
    config = load_run_config(folder)
    if data_dir is not None:
        config.data.data_dir = str(data_dir.resolve())
    run_id = RunRecord.read(folder / RECORD).run_id
    own = [table for place in predictions for table in _made_by(run_id, place)]
    return read_run_results(folder, config, name=name, predictions=own)


def run_folder(model: str, tracking_uri: str | None = None) -> Path:
    """Return the run directory that a model was trained in.

    Args:
        model: run directory, or ``models:/NAME@alias``.
        tracking_uri: of the registry; None = the default store.

    Raises:
        ConfigError: there is no such run directory.
        ModelError: the run of a registered model is not on this machine.
    """
    if not is_registered(model):
        return find_run(model, cwd=Path.cwd(), key="MODEL")
    packed = run_in(local_model(model, tracking_uri=tracking_uri))
    if packed is not None:
        found = Archive([Path(name) for name in SEARCHED]).run(packed.record.run_id)
        if found is not None and found.folder is not None:
            return found.folder
    raise ModelError(
        f"The run directory of {model} is not in {', '.join(SEARCHED)}: the registry holds its "
        "weights, not its predictions. Name the run directory."
    )


def _made_by(run_id: str, place: Path) -> Iterator[Path]:
    """Yield the tables in a folder, and below it, that the model of a run predicted.

    Raises:
        DataError: there is no such folder or table.
    """
    if not place.exists():
        raise DataError(f"{place}: there are no such predictions.")
    notes = [place.with_name(f"{place.stem}{NOTE_ENDING}")] if place.is_file() else []
    for file in notes or sorted(place.rglob(f"*{NOTE_ENDING}")):
        known = Note.read(file)
        if known is not None and known.made_from.get("run") == run_id:
            files = ResultFiles(file.parent, file.name.removesuffix(NOTE_ENDING))
            yield from [path for path in files.all_predictions() if path.is_file()][:1]


def _open(name: str, args: argparse.Namespace) -> None:
    """Serve the app until it is interrupted."""
    fo = fiftyone_of(Path.cwd())
    session = serve(
        fo,
        _existing(fo, name),
        address=args.address,
        port=args.port,
        remote=not args.browser,
    )
    note(f"{name} is open at http://{args.address}:{args.port}/datasets/{name}; Ctrl-C ends it.")
    try:
        session.wait(-1)
    except KeyboardInterrupt:
        note("The app is closed; tags are kept.")


def _tell(name: str, built: Built, *, as_json: bool) -> None:
    plain = {
        "name": name,
        "pictures": built.pictures,
        "tagged": built.kept,
        "wrong_px": built.wrong_px,
        "views": dict(built.views),
    }
    if as_json:
        say_json(plain)
        return
    say_table(list(built.views.items()), ("saved view", "pictures"))
    kept = f", tags of {built.kept} kept" if built.kept else ""
    say(f"review: {name}, {built.pictures} pictures{kept}")
    note(f"Look at it: litpose review open {name}")


def _existing(fo: Any, name: str) -> Any:
    """Return a review data set.

    Raises:
        DataError: there is none of that name.
    """
    dataset = find_ours(fo, name)
    if dataset is None:
        there = ", ".join(fo.list_datasets()) or "none"
        raise DataError(
            f"There is no review {name!r} in {Path.cwd()} (there are: {there}). Make it: litpose "
            f"review build MODEL... --name {name}"
        )
    return dataset
