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

from lightning_pose.cli.judge.predicted_sessions import (
    LabelledView,
    Session,
    first_result,
    is_labelled,
    labelled_views,
    predict_sessions,
)
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError, DataError, VideoError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.wording import count
from lightning_pose.data.worklists import write_worklist
from lightning_pose.inference.inputs import Kind, expand_inputs
from lightning_pose.metrics.label_suggestions import Suggestion, suggest_frames
from lightning_pose.mlops.provenance import now
from lightning_pose.mlops.registry import is_registered
from lightning_pose.mlops.results import Result
from lightning_pose.mlops.review.video_frames import (
    picture_name,
    write_neighbours,
    write_pictures,
)

WORKLIST, PREDICTIONS = "worklist", "predictions"
SPREAD = 20  # frames of a video are at least 1 / (SPREAD * count) of all frames apart
HEADER = ("video", "frame", "why", "worth", "new pose")


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
        VideoError: there is no video, a session lacks a view, or one could not be predicted.
        DataError: every frame is labelled already.
    """
    models, videos = _sorted_out(args.things)
    _check(args)
    runs, sessions = predict_sessions(models, videos, args, out=args.out / PREDICTIONS)
    hand_out(sessions, labelled_views(runs[0]), args)
    return 0


def hand_out(
    sessions: Sequence[Session], views: Sequence[LabelledView], args: argparse.Namespace
) -> None:
    """Choose frames of predicted sessions, write a worklist for each view, and print them.

    Args:
        sessions: predicted.
        views: what is labelled already.
        args: n, out, proposals, json.

    Raises:
        DataError: every frame is labelled already.
    """
    found = choose(sessions, views, args.n)
    worklists = [_write(found, number, views, args) for number in range(len(views))]
    if args.json:
        say_json([_as_plain(one) for one in found])
        return
    say_table([_row(one) for one in found], HEADER)
    for view, worklist in zip(views, worklists, strict=True):
        say(f"worklist: {worklist}, {count(len(found), 'frame')}")
        labels = view.file or Path("_".join(filter(None, ("LABELS", view.name))) + ".csv")
        merge = ["litpose", "labels", "merge", labels, worklist, "--in-place"]
        note(f"When they are labelled: {shlex.join(map(str, merge))}")


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


def choose(
    sessions: Sequence[Session], views: Sequence[LabelledView], number: int
) -> list[SuggestedFrame]:
    """Return the frames to label of all sessions, the most worth first.

    Args:
        sessions: predicted.
        views: what is labelled already; those frames are left out.
        number: how many.

    Raises:
        DataError: every frame is labelled already.
    """
    lengths = [len(session.poses_xy) for session in sessions]
    names = dict.fromkeys(name for session in sessions for name in session.scores)
    nothing = [np.full(length, np.nan) for length in lengths]
    poses = np.concatenate([session.poses_xy for session in sessions])
    done = np.concatenate([is_labelled(session, views) for session in sessions])
    if done.all():
        raise DataError("Every frame of these videos is labelled already; name other videos.")
    if done.any():
        note(f"{count(int(done.sum()), 'frame')} of these videos are labelled and left out.")
    learnt = [view.learnt.xy_img for view in views if view.learnt is not None]
    known = [np.concatenate(learnt, axis=1)] if len(learnt) == len(views) else []
    frames = np.concatenate([np.arange(length) for length in lengths])[~done]
    of_session = np.repeat(np.arange(len(sessions)), lengths)[~done]
    found = suggest_frames(
        {
            name: np.concatenate(
                [s.scores.get(name, empty) for s, empty in zip(sessions, nothing, strict=True)]
            )[~done]
            for name in names
        },
        poses[~done],
        labelled_xy=np.concatenate([poses[done], *known]),
        videos=of_session,
        frames=frames,
        count=number,
        apart=len(done) // (SPREAD * number),
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


def _write(
    found: Sequence[SuggestedFrame],
    number: int,
    views: Sequence[LabelledView],
    args: argparse.Namespace,
) -> Path:
    """Write pictures and worklist of one camera; return the worklist."""
    view, videos = views[number], [one.session.videos[number] for one in found]
    for video in {video.path: video for video in videos}.values():
        frames = sorted(one.frame for one in found if one.session.videos[number] is video)
        write_pictures(video.path, frames, args.out)
        write_neighbours(video.path, frames, args.out)
    pairs = list(zip(videos, found, strict=True))
    places = [picture_name(video.path, one.frame) for video, one in pairs]
    table = LabelTable(
        images=tuple(places),
        xy_img=np.stack(
            [_proposals(first_result(video), one.frame, args) for video, one in pairs]
        ),
        keypoint_names=first_result(videos[0]).predictions.keypoint_names,
        root=args.out,
    )
    return write_worklist(
        table,
        args.out / (f"{WORKLIST}_{view.name}.csv" if len(views) > 1 else f"{WORKLIST}.csv"),
        labels=view.now,
        source=shlex.join(["litpose", *sys.argv[1:]]),
        made=now(),
        frames={place: _as_plain(one) for place, one in zip(places, found, strict=True)},
    )


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
