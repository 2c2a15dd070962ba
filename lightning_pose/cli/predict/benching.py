"""How fast a model is here, for the command line."""

from __future__ import annotations

import argparse
import dataclasses

from lightning_pose.cli.opening import open_model
from lightning_pose.cli.options import check_batch_size
from lightning_pose.cli.terminal import say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.data.wording import count
from lightning_pose.inference.speed import DECODE, NETWORK, PREPARE, WHOLE, Speed, measure_speed

_WHAT = {
    DECODE: "file to frames in memory, no network",
    PREPARE: "of the network's time: frames in memory to its input",
    NETWORK: "frames in memory to keypoints, no decoding",
    WHOLE: "file to keypoints",
}


def bench(args: argparse.Namespace) -> int:
    """Measure a model on a video and print how fast each part is.

    Raises:
        ConfigError: fewer than one round, or one frame at a time, is asked for.
        LitposeError: the model or the video cannot be used.
    """
    if args.rounds < 1:
        raise ConfigError(f"--rounds is at least 1, got {args.rounds}.")
    check_batch_size(args.batch_size)
    model = open_model(
        args.model,
        device=args.device,
        precision=args.precision,
        tracking_uri=args.tracking_uri,
        compiled=args.compile,
    )
    speed = measure_speed(
        model, args.video, reader=args.reader, batch_size=args.batch_size, rounds=args.rounds
    )
    if args.json:
        say_json(
            dataclasses.asdict(speed) | {"limit": speed.limit, "reached": round(speed.reached, 3)}
        )
    else:
        _report(speed)
    return 0


def _report(speed: Speed) -> None:
    rows = [(part, speed.rates[part], what) for part, what in _WHAT.items()]
    say_table(rows, ("part", "frames/s", "what it is"))
    say(
        f"{count(speed.frames, 'frame')} by {speed.reader} on {speed.device} in "
        f"{speed.precision}, {speed.batch_size} at a time. The slower part is {speed.limit}; end "
        f"to end reaches {speed.reached:.0%} of its rate, and the network waits "
        f"{speed.waited:.0%} of the time. "
        f"Starting took {speed.start_s:.1f} s more, once."
    )
