"""A training on several processes: one run directory, one voice, and one end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from lightning_pose.cli.train import ranks
from tests.cli.conftest import TINY, UNTRACKED, Done, litpose, tiny_data

TWO = ("training.num_gpus=2", "eval=none")


def words(toy: Path, *more: str) -> list[str]:
    return ["train", "data=toy", tiny_data(toy), *TINY, *TWO, UNTRACKED, *more]


class Remembered(subprocess.Popen[str]):
    """A process that is kept in a list."""

    started: ClassVar[list[Remembered]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started.append(self)


@pytest.fixture(scope="module")
def sweep(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Return a multirun of two trainings with two processes each."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "argparse.py").write_text("raise RuntimeError('not the one of Python')")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(subprocess, "Popen", Remembered)
        patch.setattr(ranks, "LAST_WORDS_S", 60.0)  # the machine may be busy
        jobs = "training.rng_seed_model_pt=1,2"
        line = words(toy, "-m", jobs, "training.max_epochs=1", "hydra.sweep.dir=sweep")
        return folder, litpose(*line)


def assert_whole(run_dir: Path) -> None:
    """Check that one process alone wrote one whole run."""
    record = json.loads((run_dir / "run.json").read_text())
    assert record["outcome"] == "finished"
    assert sorted(file.name for file in (run_dir / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
    assert len(list((run_dir / "tb_logs").iterdir())) == 1
    assert (run_dir / "metrics.json").is_file()


def test_each_job_of_a_multirun_has_one_run_directory(sweep: tuple[Path, Done]) -> None:
    folder, done = sweep
    assert done.code == 0, done.err
    configs = sorted(folder.rglob("config.yaml"))
    assert [path.parent.name for path in configs if ".hydra" not in path.parts] == ["0", "1"]
    for job in ("0", "1"):
        assert_whole(folder / "sweep" / job)


def test_every_process_ends_well(sweep: tuple[Path, Done]) -> None:
    others = [process for process in Remembered.started if "train.following" in str(process.args)]
    assert [process.returncode for process in others] == [0, 0]


def test_progress_and_results_are_told_once(sweep: tuple[Path, Done]) -> None:
    _, done = sweep
    assert done.out.count("run: ") == 2
    assert done.sentences.count("1 epochs trained in") == 2


@pytest.mark.long
def test_such_a_run_can_be_carried_on(sweep: tuple[Path, Done]) -> None:
    run_dir = sweep[0] / "sweep" / "0"
    done = litpose("train", f"model.resume={run_dir}", "training.max_epochs=2", UNTRACKED)
    assert done.code == 0, done.err
    assert torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["training.train_batch_size=5"], "must be a multiple of 2"),
        (["training.num_gpus=4", "training.accelerator=auto"], "num_gpus is 4, but this mach"),
        (["training.num_nodes=2"], "with torchrun or srun"),
    ],
)
def test_what_cannot_be_shared_is_refused(toy: Path, change: list[str], sentence: str) -> None:
    done = litpose(*words(toy, *change))
    assert done.code == 2
    assert sentence in done.sentences


@contextmanager
def endless(toy: Path, run_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a training that would go on for hours, once it is under way; yield the other's id."""
    line = words(toy, "training.max_epochs=100000", f"hydra.run.dir={run_dir}")
    training = subprocess.Popen(
        [sys.executable, "-m", "lightning_pose.cli.main", *line],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    other = 0
    try:
        deadline = time.monotonic() + 200
        last = run_dir / "checkpoints" / "last.ckpt"
        while not last.exists() and training.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        children = Path(f"/proc/{training.pid}/task/{training.pid}/children").read_text()
        [other] = [int(pid) for pid in children.split() if b"following" in command_of(pid)]
        yield training, other
    finally:
        training.kill()
        training.communicate()


def command_of(pid: object) -> bytes:
    """Return the command line of a process, empty if it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while command_of(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not command_of(pid)


@pytest.mark.long
def test_a_process_that_dies_ends_all_with_a_word(toy: Path, tmp_path: Path) -> None:
    with endless(toy, tmp_path / "run") as (training, other):
        os.kill(other, signal.SIGKILL)
        _, err = training.communicate(timeout=30)
    sentences = " ".join(err.split())
    assert training.returncode == 1
    assert "Process 1 of 2 was killed by signal 9." in sentences
    assert f"litpose train model.resume={tmp_path / 'run'}" in sentences
    assert json.loads((tmp_path / "run" / "run.json").read_text())["outcome"] == "failed"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SIGINT", marks=pytest.mark.long),
        "SIGTERM",
        pytest.param("SIGKILL", marks=pytest.mark.long),
    ],
)
def test_the_end_of_the_first_is_the_end_of_all(toy: Path, tmp_path: Path, name: str) -> None:
    with endless(toy, tmp_path / "run") as (training, other):
        training.send_signal(getattr(signal, name))
        training.communicate(timeout=60)
        assert_gone(other)
    if name != "SIGKILL":
        assert training.returncode == 1
        record = json.loads((tmp_path / "run" / "run.json").read_text())
        assert record["outcome"] == "interrupted"


@pytest.mark.long
def test_torchrun_may_start_the_processes(toy: Path, tmp_path: Path) -> None:
    line = words(toy, "-m", "training.rng_seed_model_pt=1,2", "training.max_epochs=1")
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = subprocess.run(
        [sys.executable, "-m", *launch, "lightning_pose.cli.main", *line, "hydra.sweep.dir=all"],
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run: ") == 2
    for job in ("0", "1"):
        assert_whole(tmp_path / "all" / job)


def test_all_end_when_the_first_has_nothing_to_train(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    launched |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "lightning_pose.cli.main", "train", "training.max_epoch=3"],
            stderr=subprocess.PIPE,
            env=os.environ | launched | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=100)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [2, 0]
    assert "training.max_epoch" in said[0]
    assert not said[1]
