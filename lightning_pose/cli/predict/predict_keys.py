"""Prediction asked for with configuration keys, as the predecessor's script was."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_pose.cli.main import guarded
from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.load import default_config, load_config
from lightning_pose.config.problems import in_yaml
from lightning_pose.config.run_dirs import find_run
from lightning_pose.config.schema import Config, EvalConfig
from lightning_pose.config.single_file import find_file
from lightning_pose.config.yaml_file import look_up
from lightning_pose.contracts.errors import ConfigError

PREDICTING = (
    "eval.confidence_thresh_for_vid",
    "eval.colormap",
    "dali.base.predict.sequence_length",
    "dali.context.predict.sequence_length",
)


def main(words: Sequence[str]) -> int:
    """Predict with every model of ``eval.hydra_paths``; return the exit code.

    Args:
        words: ``KEY=VALUE`` texts; ``--config-path`` and ``--config-name`` name a file to start
            from.
    """
    parser = key_parser(
        "Predict a folder of videos with trained models.",
        "Keys: eval.hydra_paths=[RUN,...], eval.test_videos_directory=FOLDER, "
        "eval.saved_vid_preds_dir=FOLDER, eval.save_vids_after_training=true.",
    )
    return run_with_keys(parser, words, _run)


def key_parser(description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser of ``KEY=VALUE`` texts and of a configuration file to start from."""
    parser = argparse.ArgumentParser(description=description, epilog=epilog)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--config-path", help="folder of a configuration file")
    parser.add_argument("--config-name", help="its name")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run_with_keys(
    parser: argparse.ArgumentParser,
    words: Sequence[str],
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Parse the words and run a command with them; return its exit code."""
    parser.set_defaults(run=run)
    try:
        args = parser.parse_intermixed_args(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    return guarded(args)


def config_of(args: argparse.Namespace) -> tuple[Config, bool]:
    """Return the configuration that keys make, and whether they were laid over a file."""
    file = find_file(args.config_path, args.config_name, cwd=Path.cwd())
    if file is None:
        return default_config(overrides=args.overrides), False
    return load_config(file, overrides=args.overrides), True


def named_runs(wishes: EvalConfig) -> list[Path]:
    """Return the run directories of ``eval.hydra_paths``.

    Raises:
        ConfigError: none are named, or one is no run directory.
    """
    if not wishes.hydra_paths:
        raise ConfigError(
            'Which model? Name run directories: eval.hydra_paths=["YYYY-MM-DD/HH-MM-SS"].'
        )
    return [find_run(name, cwd=Path.cwd(), key="eval.hydra_paths") for name in wishes.hydra_paths]


def _run(args: argparse.Namespace) -> int:
    config, from_file = config_of(args)
    wishes, changes = config.eval, _of_file(config) if from_file else tuple(args.overrides)
    runs = named_runs(wishes)
    return max(_predict(run, wishes, changes, several=len(runs) > 1) for run in runs)


def _of_file(config: Config) -> tuple[str, ...]:
    """Return as overrides what a whole configuration says of how a run is to predict."""
    tree = plain_tree(config)
    return tuple(f"{key}={in_yaml(look_up(tree, key))}" for key in PREDICTING)


def _predict(run: Path, wishes: EvalConfig, changes: tuple[str, ...], *, several: bool) -> int:
    """Predict the videos with one model; results of several models go to a folder for each.

    Args:
        run: the run directory.
        wishes: what is to be predicted, and where to.
        changes: overrides of the run's own configuration.
        several: there are more models.
    """
    from lightning_pose.cli.predict.predicting import PredictRequest, predict_and_report
    from lightning_pose.config.load import load_run_config
    from lightning_pose.inference.outputs import FOLDER

    config = load_run_config(run)
    folder = wishes.test_videos_directory
    videos = folder or config.eval.test_videos_directory or config.data.video_dir
    if videos is None:
        raise ConfigError("Which videos? Name their folder: eval.test_videos_directory=FOLDER.")
    base = wishes.saved_vid_preds_dir or folder
    out = run / FOLDER
    if base is not None:
        out = Path(base) / f"{run.parent.name}_{run.name}" if several else Path(base)
    request = PredictRequest(
        model=str(run),
        inputs=(videos,),
        labeled_video=wishes.save_vids_after_training,
        out=out,
        overrides=changes,
    )
    return predict_and_report(request)
