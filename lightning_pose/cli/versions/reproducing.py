"""A run made again: its code and data in a scratch folder, trained anew, and compared."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import yaml

from lightning_pose.cli.terminal import note
from lightning_pose.cli.train.recorded_run import FAILED, FINISHED, KILLED, PATCH
from lightning_pose.cli.versions.reproduced_data import RestoredData, data_of_run
from lightning_pose.cli.versions.reproduction_report import causes_of, say_reproduction
from lightning_pose.config.load import FILE_NAME
from lightning_pose.config.overrides import quoted
from lightning_pose.contracts.errors import ConfigError, DataError, TrainingError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.contracts.run_record import PLUGIN_FOLDER, RUN_FILE, RunRecord
from lightning_pose.mlops.registry import local_model
from lightning_pose.mlops.tracking import is_run_id, run_dir_of
from lightning_pose.mlops.versions.code_checkout import CodeCheckout, checked_out_code
from lightning_pose.mlops.versions.run_comparison import DIFFERENT, Tolerance, compare_runs
from lightning_pose.training.result import PRUNED

FOLLOWERS = "follows_max_epochs"
LAST_WORDS_S = 60.0  # for the training to end itself once it was asked to
REFUSED = {
    KILLED: "was interrupted, and where it stopped hung on the moment. Carry it on to its end "
    "first: litpose train model.resume={run_dir}",
    PRUNED: "was ended early by its sweep, by what other trials had reached. Train its "
    "configuration to the end instead: litpose train --config-path {run_dir} --config-name "
    "config.yaml",
    FAILED: "failed, so there are no results to compare with.",
    "running": "has not ended: it still runs, or was killed. Carry it on to its end first: "
    "litpose train model.resume={run_dir}",
}


def reproduce(args: argparse.Namespace) -> int:
    """Make a run again and say how the two differ; return 0 if they count as equal, else 1."""
    if args.out is not None:
        check_is_no_file(args.out)
        if args.out.exists() and any(args.out.iterdir()):
            raise ConfigError(f"--out {args.out} is not empty; name a new folder.")
    if not all(0 <= allowed < float("inf") for allowed in args.tolerance):
        raise ConfigError("--tolerance takes two numbers of 0 or more: pixels, and a share.")
    with _ended_by_signals(), _scratch(keep=args.keep) as scratch:
        run_dir = _run_dir(args, scratch)
        record = RunRecord.read(run_dir / RUN_FILE)
        _check_can_be_repeated(record, run_dir)
        tree = _config_tree(run_dir)
        out = (args.out or scratch / "run").absolute()
        others = tuple(path for path in map(Path, _texts(tree)) if path.is_absolute())
        with (
            checked_out_code(record, run_dir / PATCH, scratch / "code") as code,
            data_of_run(record, run_dir, scratch / "data", others=others) as data,
            _kept(args.keep, scratch),
        ):
            for sentence in (*code.notes, *data.notes, *_remarks(record, tree)):
                note(sentence)
            tree = _placed(tree, data)
            _train(record, tree, code, out=out, scratch=scratch, run_dir=run_dir)
        px, share = args.tolerance
        found = compare_runs(run_dir, out, tolerance=Tolerance(px=px, relative=share))
        causes = causes_of(run_dir, out, asked=tree)
        say_reproduction(found, causes, notes=(*code.notes, *data.notes), as_json=args.json)
        if args.out is not None:
            note(f"the new run: {out}")
    return int(found.verdict == DIFFERENT)


def _run_dir(args: argparse.Namespace, scratch: Path) -> Path:
    named = str(args.run_named)
    if is_run_id(named) and not Path(named).exists():
        return run_dir_of(named, scratch / "original", tracking_uri=args.tracking_uri)
    found = local_model(named, tracking_uri=args.tracking_uri).absolute()
    if not (found / RUN_FILE).is_file():
        raise DataError(f"{named} is no run directory: it has no {RUN_FILE}.")
    return found


def _check_can_be_repeated(record: RunRecord, run_dir: Path) -> None:
    if record.outcome != FINISHED:
        why = REFUSED.get(record.outcome, f"ended as {record.outcome}.")
        raise DataError(f"The run {run_dir} {why.format(run_dir=run_dir)}")


def _config_tree(run_dir: Path) -> dict[str, Any]:
    try:
        text = (run_dir / FILE_NAME).read_text(encoding="utf-8")
        return dict(yaml.safe_load(text))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{run_dir / FILE_NAME} cannot be read: {error}") from error


def _remarks(record: RunRecord, tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else may make the repetition differ."""
    if _was_resumed(record):
        yield (
            "The run was carried on after a stop; it is made again in one go, with the code and "
            "packages of its last part."
        )
    start = (tree.get("model") or {}).get("checkpoint")
    if start:
        yield f"It starts from the weights {start} as they are now; their hash was not recorded."
    for name, folder in record.plugin_folders.items():
        yield f"The plug-in {name} is taken from {folder} as it is now."


def _was_resumed(record: RunRecord) -> bool:
    return any(text.lstrip("+").startswith("model.resume=") for text in record.overrides)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    items = value.values() if isinstance(value, dict) else value
    for item in items if isinstance(value, dict | list) else ():
        yield from _texts(item)


def _placed(value: Any, data: RestoredData) -> Any:
    """Return a configuration whose paths lead to where the data lie now, links followed."""
    if isinstance(value, dict):
        return {key: _placed(item, data) for key, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, data) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        place = data.place(Path(value))
        return str(place.resolve()) if place.exists() else value
    return value


def _train(
    record: RunRecord,
    tree: dict[str, Any],
    code: CodeCheckout,
    *,
    out: Path,
    scratch: Path,
    run_dir: Path,
) -> None:
    """Train in a process of its own, with the code of the run, its threads, and no tracking.

    Raises:
        TrainingError: it failed; why has been said on stderr.
    """
    if _was_resumed(record):
        tree.pop(FOLLOWERS, None)  # lengths that follow max_epochs follow the first one
    folder = scratch / "config"
    folder.mkdir()
    (folder / FILE_NAME).write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "lightning_pose.cli.main", "train"]
    command += ["--config-path", str(folder), "--config-name", FILE_NAME]
    command += ["tracking.enabled=false", f"hydra.run.dir={quoted(str(out))}"]
    work = scratch / "work"
    work.mkdir()
    process = subprocess.Popen(
        command, cwd=work, env=_environment(record, code, run_dir), stdout=subprocess.DEVNULL
    )
    try:
        code_of_end = process.wait()
    except BaseException:
        _end(process)
        raise
    if code_of_end or not (out / RUN_FILE).is_file():
        raise TrainingError(
            f"{run_dir} could not be made again: its training ended with exit code {code_of_end}, "
            "and said why above."
        )


def _environment(record: RunRecord, code: CodeCheckout, run_dir: Path) -> dict[str, str]:
    environment = dict(os.environ)
    packed = run_dir / PLUGIN_FOLDER
    plugins = [packed] if packed.is_dir() else list(record.plugin_folders.values())
    folders = [str(f) for f in (code.search_path, *dict.fromkeys(plugins)) if f is not None]
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([*folders, *([before] if before else [])])
    threads = record.device.get("threads")
    if threads:  # sums are taken in another order by another number of threads
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the training to end, and make it end."""
    process.send_signal(signal.SIGINT)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS_S)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _kept(keep: bool, scratch: Path) -> Iterator[None]:
    """Keep a copy of code and data, if wished, before they go; of a training that fails too."""
    try:
        yield
    finally:
        for name in ("code", "data") if keep else ():
            if (scratch / name).is_dir():
                shutil.copytree(scratch / name, scratch / f"kept_{name}", symlinks=True)


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="litpose-reproduce-")).resolve()
    try:
        yield folder
    finally:
        if keep:
            note(f"code, data and what was trained are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that it takes its folders away."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt("Interrupted. The original run is as it was.")

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
