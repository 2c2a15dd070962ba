"""Frames to label next, for the command line: predicted, chosen, written as a worklist."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.cli.look.reading_runs import read_runs, run_folder
from lightning_pose.cli.opening import open_model, same_weights
from lightning_pose.cli.predict.predicting import PredictRequest, predict_inputs
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError, VideoError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels
from lightning_pose.data.wording import count
from lightning_pose.data.worklists import write_worklist
from lightning_pose.inference.inputs import Kind, expand_inputs
from lightning_pose.metrics.frame_choice import largest
from lightning_pose.metrics.label_suggestions import Suggestion, suggest_frames
from lightning_pose.mlops.provenance import now
from lightning_pose.mlops.registry import is_registered
from lightning_pose.mlops.results import Result, RunResults, distinct_names
from lightning_pose.mlops.review.video_frames import (
    PredictedVideo,
    picture_name,
    predicted_videos,
    scores_of_video,
    write_neighbours,
    write_pictures,
)

WORKLIST, PREDICTIONS = "worklist", "predictions"
SPREAD = 20  # frames of a video are at least 1 / (SPREAD * count) of all frames apart
HEADER = ("video", "frame", "why", "worth", "new pose")


@dataclass(frozen=True, kw_only=True)
class Session:
    """The videos of one session, one a camera, and what is said of its frames.

    Attributes:
        videos: in the order of the views.
        scores: by criterion; of several cameras the largest.
        poses_xy: of the first model, cameras side by side.
    """

    videos: tuple[PredictedVideo, ...]
    scores: dict[str, Float[np.ndarray, " n"]]
    poses_xy: Float[np.ndarray, "n k 2"]


@dataclass(frozen=True, kw_only=True)
class SuggestedFrame:
    """A frame to label, found again in its session."""

    session: Session
    frame: int
    why: Suggestion


def suggest(args: argparse.Namespace) -> int:
    """Choose frames, write them as a worklist and print them; return 0.

    Raises:
        ConfigError: an option has no sense, or a model is named twice.
        VideoError: there is no video, or one could not be predicted.
    """
    models, videos = _sorted_out(args.things)
    _check(args)
    runs = _predicted(models, videos, args)
    sessions = [_session(members) for members in _by_session(predicted_videos(runs, videos))]
    found = choose(sessions, runs[0], args.n)
    for view in range(len(sessions[0].videos)):
        _write(found, view, runs[0], args)
    if args.json:
        say_json([_as_plain(one) for one in found])
    else:
        say_table([_row(one) for one in found], HEADER)
        labels = runs[0].labeled[0].source if runs[0].labeled else "LABELS.csv"
        say(f"worklist: {args.out / WORKLIST}.csv, {count(len(found), 'frame')}")
        merge = ["litpose", "labels", "merge", labels, args.out / f"{WORKLIST}.csv", "--in-place"]
        note(f"When they are labelled: {shlex.join(map(str, merge))}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise ConfigError if an option has no sense."""
    if args.n < 1:
        raise ConfigError(f"--n should be 1 or more, not {args.n}.")
    if args.proposals is not None and not 0 <= args.proposals <= 1:
        raise ConfigError(f"--proposals is a confidence from 0 to 1, not {args.proposals:g}.")
    if args.out.exists() and not args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a file; name a new folder.")
    # Predictions are those of a suggestion that was interrupted, which are not made again.
    if args.out.exists() and any(place.name != PREDICTIONS for place in args.out.iterdir()):
        raise ConfigError(f"--out {args.out} is not empty; name a new folder.")


def choose(sessions: Sequence[Session], run: RunResults, number: int) -> list[SuggestedFrame]:
    """Return the frames to label of all sessions, the most worth first.

    Args:
        sessions: predicted.
        run: whose labels are there already.
        number: how many.
    """
    lengths = [len(session.poses_xy) for session in sessions]
    names = dict.fromkeys(name for session in sessions for name in session.scores)
    nothing = [np.full(length, np.nan) for length in lengths]
    frames = np.concatenate([np.arange(length) for length in lengths])
    of_session = np.repeat(np.arange(len(sessions)), lengths)
    known = [result.labels.xy_img for result in run.labeled[: _views(run)] if result.labels]
    poses = np.concatenate([session.poses_xy for session in sessions])
    labelled = np.concatenate(known, axis=1) if known else np.zeros((0, *poses.shape[1:]))
    found = suggest_frames(
        {
            name: np.concatenate(
                [s.scores.get(name, empty) for s, empty in zip(sessions, nothing, strict=True)]
            )
            for name in names
        },
        poses,
        labelled_xy=labelled,
        videos=of_session,
        frames=frames,
        count=number,
        apart=len(frames) // (SPREAD * number),
    )
    return [
        SuggestedFrame(
            session=sessions[int(of_session[one.row])], frame=int(frames[one.row]), why=one
        )
        for one in found
    ]


def _sorted_out(things: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return the models and the videos among the words of a command line."""
    models = [
        text for text in things if is_registered(text) or (Path(text) / "config.yaml").is_file()
    ]
    rest = [text for text in things if text not in models]
    if not models:
        raise ConfigError(
            f"{things[0]} is no run directory (it has no config.yaml). Name one or more, then "
            "videos: litpose suggest outputs/DATE/TIME video.mp4 --out DIR"
        )
    if not rest:
        raise ConfigError("Name the videos to choose frames from, after the run directories.")
    videos = [item.path for item in expand_inputs(rest) if item.kind is Kind.VIDEO]
    if not videos:
        raise VideoError(f"There is no video in {', '.join(rest)}.")
    return models, videos


def _predicted(
    models: Sequence[str], videos: Sequence[Path], args: argparse.Namespace
) -> list[RunResults]:
    """Predict the videos with each model; return what they say.

    Raises:
        VideoError: a video could not be predicted; why has been said.
    """
    folders = [run_folder(name, args.tracking_uri) for name in models]
    names = distinct_names(folders)
    places = []
    opened = [
        open_model(folder, device=args.device, precision=args.precision) for folder in folders
    ]
    if twice := same_weights(models, opened):
        raise ConfigError(f"{' and '.join(twice)} hold the same weights; name each model once.")
    for folder, name, model in zip(folders, names, opened, strict=True):
        out = args.out / PREDICTIONS / name
        request = PredictRequest(model=str(folder), inputs=tuple(videos), out=out)
        inputs = expand_inputs(list(videos))
        outcomes = predict_inputs(
            model, inputs, request=request, metrics=metrics_of(model).metrics, out=out
        )
        if any(outcome.failed is not None for outcome in outcomes):
            raise VideoError("A video could not be predicted; leave it out, or mend it.")
        places.append(out)
    return read_runs(folders, places)


def _by_session(videos: Sequence[PredictedVideo]) -> list[list[PredictedVideo]]:
    sessions: dict[str, list[PredictedVideo]] = {}
    for video in videos:
        sessions.setdefault(video.session, []).append(video)
    return list(sessions.values())


def _session(videos: Sequence[PredictedVideo]) -> Session:
    frames = min(video.num_frames for video in videos)
    scores = [scores_of_video(video) for video in videos]
    names = dict.fromkeys(name for one in scores for name in one)
    return Session(
        videos=tuple(videos),
        scores={
            name: largest(np.stack([one[name][:frames] for one in scores if name in one]), 0)
            for name in names
        },
        poses_xy=np.concatenate(
            [_first(video).predictions.xy_img[:frames] for video in videos], axis=1
        ),
    )


def _first(video: PredictedVideo) -> Result:
    return next(iter(video.results.values()))


def _write(
    found: Sequence[SuggestedFrame], view: int, run: RunResults, args: argparse.Namespace
) -> None:
    """Write pictures and worklist of one camera."""
    videos = [one.session.videos[view] for one in found]
    for video in {video.path: video for video in videos}.values():
        frames = sorted(one.frame for one in found if one.session.videos[view] is video)
        write_pictures(video.path, frames, args.out)
        write_neighbours(video.path, frames, args.out)
    places = [
        picture_name(video.path, one.frame) for video, one in zip(videos, found, strict=True)
    ]
    points = np.stack(
        [
            _proposals(_first(video), one.frame, args)
            for video, one in zip(videos, found, strict=True)
        ]
    )
    table = LabelTable(
        images=tuple(places),
        xy_img=points,
        keypoint_names=_first(videos[0]).predictions.keypoint_names,
        root=args.out,
    )
    name = f"{WORKLIST}_{videos[0].view}.csv" if videos[0].view else f"{WORKLIST}.csv"
    write_worklist(
        table,
        args.out / name,
        labels=_labels_now(run, view),
        source=shlex.join(["litpose", *sys.argv[1:]]),
        made=now(),
        frames={place: _as_plain(one) for place, one in zip(places, found, strict=True)},
    )


def _labels_now(run: RunResults, view: int) -> LabelTable | None:
    """Return the labels that the worklist will come back to, if they are where they were."""
    source = run.labeled[view].source if view < len(run.labeled) else None
    if source is None or not source.is_file():
        return None
    return read_labels(source, data_dir=source.parent)


def _proposals(result: Result, frame: int, args: argparse.Namespace) -> Float[np.ndarray, "k 2"]:
    predictions = result.predictions
    points = predictions.xy_img[frame].copy()
    least = np.inf if args.proposals is None else args.proposals
    points[~(predictions.confidence[frame] >= least)] = np.nan
    return points


def _row(one: SuggestedFrame) -> tuple[object, ...]:
    return (
        ", ".join(video.path.name for video in one.session.videos),
        one.frame,
        one.why.reason.replace("_", " "),
        one.why.worth,
        one.why.distance,
    )


def _as_plain(one: SuggestedFrame) -> dict[str, Any]:
    return {
        "videos": [str(video.path) for video in one.session.videos],
        "frame": one.frame,
        "reason": one.why.reason,
        "worth": one.why.worth,
        "distance": one.why.distance,
        "images": [picture_name(video.path, one.frame) for video in one.session.videos],
    }


def _views(run: RunResults) -> int:
    return max(1, len(run.config.data.view_names))
