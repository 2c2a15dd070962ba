"""A review asked for with configuration keys, as the predecessor's script was."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.cli.predict.predict_keys import (
    config_of,
    key_parser,
    named_runs,
    run_with_keys,
)
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.video.files import videos_among

FRAMES = 20


def main(words: Sequence[str]) -> int:
    """Build the review of ``eval.hydra_paths``; return the exit code.

    Args:
        words: ``KEY=VALUE`` texts; ``--config-path`` and ``--config-name`` name a file to start
            from.
    """
    parser = key_parser(
        "Compare trained models in FiftyOne.",
        "Keys: eval.hydra_paths=[RUN,...], eval.fiftyone.dataset_name=NAME, "
        "eval.fiftyone.model_display_names=[A,B], eval.fiftyone.launch_app_from_script=true, "
        "eval.test_videos_directory=FOLDER, eval.saved_vid_preds_dir=FOLDER.",
    )
    return run_with_keys(parser, words, _run)


def _run(args: argparse.Namespace) -> int:
    from lightning_pose.cli.look.reviewing import build

    wishes = config_of(args)[0].eval
    fiftyone, folder = wishes.fiftyone, wishes.test_videos_directory
    videos = None if folder is None else videos_among(sorted(Path(folder).iterdir()))
    predictions = wishes.saved_vid_preds_dir or folder  # beside the videos, if nowhere else
    if predictions is not None and not Path(predictions).is_dir():
        raise ConfigError(f"eval.saved_vid_preds_dir = {predictions!r}: there is no such folder.")
    request = argparse.Namespace(
        models=[str(run) for run in named_runs(wishes)],
        name=fiftyone.dataset_name,
        names=fiftyone.model_display_names,
        videos=videos,
        predictions=[] if predictions is None else [Path(predictions)],
        frames=FRAMES,
        clips=0,
        edge=[],
        data_dir=None,
        launch=fiftyone.launch_app_from_script,
        tracking_uri=None,
        port=fiftyone.port,
        address=fiftyone.address,
        browser=not fiftyone.remote,
        json=False,
    )
    return build(request)
