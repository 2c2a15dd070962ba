"""Reviews for the command line: built, opened, and what is marked in them exported."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_pose.cli.look.reading_runs import read_runs, run_folder
from lightning_pose.cli.terminal import ProgressLine, note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import alone_in
from lightning_pose.data.wording import count, listed
from lightning_pose.mlops.results import distinct_names
from lightning_pose.mlops.review.app import check_port, serve
from lightning_pose.mlops.review.building import NAME, ReviewRequest, build_review
from lightning_pose.mlops.review.carrying import Lost, is_cut_off, restore_dataset
from lightning_pose.mlops.review.database import fiftyone_of
from lightning_pose.mlops.review.dataset import Built, find_ours
from lightning_pose.mlops.review.exporting import write_worklists
from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.review.marked import marked_pictures

TO_LABEL = "to_label"


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
    runs = read_runs(folders, args.predictions, names=names, data_dir=args.data_dir)
    request = ReviewRequest(
        name=args.name or Path(runs[0].config.data.data_dir or "review").name,
        runs=runs,
        project=Path.cwd(),
        videos=args.videos,
        frames=args.frames,
        clips=args.clips,
        edges=args.edge,
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
    tags = args.tag or [TO_LABEL]
    fo = fiftyone_of(Path.cwd())
    dataset = _existing(fo, args.name)
    field = None if args.proposals is None else model_fields([args.proposals])[0]
    pictures = marked_pictures(dataset, tags, proposals=field)
    written = write_worklists(
        pictures,
        args.out,
        keypoint_names=dataset.default_skeleton.labels,
        layout=args.layout,
        source=shlex.join(["litpose", *sys.argv[1:]]),
    )
    if args.json:
        images = [{"image": one.image, "tags": one.tags} for one in pictures]
        places = {
            "files": [str(one.file) for one in written],
            "label_files": [one.label_file for one in written],
        }
        say_json({**places, "images": images})
        return 0
    for one in written:
        say(f"worklist: {one.file}")
    gone = sorted({str(one.video) for one in pictures if one.video and not one.video.is_file()})
    if gone:
        note(
            f"{listed(gone)} is not where it was, so the frames around those of it are not "
            "there for context models."
        )
    note(f"{count(len(pictures), 'picture')}. When they are labelled:")
    for one in written:
        words = ["litpose", "labels", "merge", one.label_file or "LABELS.csv", str(one.file)]
        note(shlex.join([*words, "--in-place"]))
    return 0


def open_app(args: argparse.Namespace) -> int:
    """Serve the app until it is interrupted; return 0."""
    check_port(args.address, args.port)
    _open(args.name, args)
    return 0


def _open(name: str, args: argparse.Namespace) -> None:
    """Serve the app until it is interrupted, or ended from outside: its database ends too."""
    asked: list[int] = []

    def end(number: int, frame: object) -> None:
        asked.append(number)  # an exception alone is swallowed by FiftyOne as it starts
        raise KeyboardInterrupt

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)
    try:
        _serve(name, args, asked)
    except KeyboardInterrupt:
        note("The app is closed; tags are kept.")


def _serve(name: str, args: argparse.Namespace, asked: Sequence[int]) -> None:
    """Serve the app until it is interrupted; not at all if its end was ``asked`` for already."""
    fo = fiftyone_of(Path.cwd())
    session = serve(
        fo,
        _existing(fo, name, clips=None),
        address=args.address,
        port=args.port,
        remote=not args.browser,
    )
    try:
        if asked:
            raise KeyboardInterrupt
        note(
            f"{name} is open at http://{args.address}:{args.port}/datasets/{name}; Ctrl-C ends it."
        )
        session.wait(-1)
    finally:  # before the database is: at its end the server of the app asks for it, for 30 s
        session.close()


def _tell(name: str, built: Built, *, as_json: bool) -> None:
    lost = [one for one in (built.lost, built.lost_clips) if one.former]
    for one in lost:
        note(_kept_apart(one))
    plain = {
        "name": name,
        "pictures": built.pictures,
        "tagged": built.kept,
        "wrong_px": built.wrong_px,
        "views": dict(built.views),
        "kept_as": [one.former for one in lost],
    }
    if as_json:
        say_json(plain)
        return
    say_table(list(built.views.items()), ("saved view", "pictures"))
    kept = f", tags of {built.kept} kept" if built.kept else ""
    say(f"review: {name}, {built.pictures} pictures{kept}")
    note(f"Look at it: litpose review open {name}")


def _kept_apart(lost: Lost) -> str:
    """Return the sentence on work of people that the new review has no place for."""
    parts = []
    if lost.pictures:
        parts.append(f"tags of {count(len(lost.pictures), 'picture')} ({listed(lost.pictures)})")
    if lost.views:
        parts.append(f"{count(len(lost.views), 'saved view')} ({listed(lost.views)})")
    return (
        f"{' and '.join(parts)} cannot be shown with these models and videos. The review of "
        f"before stays as {lost.former} with all of it: litpose review open {lost.former}"
    )


def _existing(fo: Any, name: str, *, clips: bool | None = False) -> Any:
    """Return a review data set, of pictures unless it may be one of clips too.

    Raises:
        DataError: there is none of that name.
    """
    if is_cut_off(fo, name):
        with alone_in(Path.cwd()):  # not by a build that is at it, which gives the name itself
            restore_dataset(fo, name)
    dataset = find_ours(fo, name, clips=clips)
    if dataset is None:
        there = ", ".join(one for one in fo.list_datasets() if NAME.fullmatch(one)) or "none"
        raise DataError(
            f"There is no review {name!r} in {Path.cwd()} (there are: {there}). Make it: litpose "
            f"review build MODEL... --name {name}"
        )
    return dataset
