"""The program answers at once where nothing needs to be computed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import litpose

HEAVY = ("torch", "lightning", "timm", "kornia", "pandas", "mlflow", "av", "matplotlib")
PROBE = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    {code}
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""
MAIN = "from lightning_pose.cli.main import main; main({words})"


@pytest.mark.parametrize(
    "code",
    [
        "import lightning_pose",
        MAIN.format(words=["--help"]),
        MAIN.format(words=["predict", "--help"]),
        MAIN.format(words=["train", "--help"]),
        MAIN.format(words=["train", "training.max_epoch=3"]),
        MAIN.format(words=["train", "data=toy", "training.train_prob=2"]),
    ],
)
def test_nothing_heavy_is_imported_for(code: str) -> None:
    probe = PROBE.format(code=code, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("code", ["import lightning_pose", MAIN.format(words=["--help"])])
def test_it_takes_less_than_a_second_of_work(code: str) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_every_command_has_help() -> None:
    listed = litpose("--help").out
    for command in ("config", "demo", "doctor", "evaluate", "predict", "train"):
        assert command in listed
        done = litpose(command, "--help")
        assert (done.code, done.err) == (0, "")


def test_no_command_is_wrong_usage() -> None:
    done = litpose()
    assert done.code == 2
    assert done.err.startswith("usage: litpose")


def test_the_template_names_the_data_first() -> None:
    done = litpose("config", "template")
    assert done.code == 0
    assert "data_dir:" in done.out
