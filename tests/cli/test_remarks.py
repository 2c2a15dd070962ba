"""Our own log reaches the user as notes; the libraries' chatter does not."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

import pytest
import torch

from lightning_pose.cli.main import guarded
from lightning_pose.cli.train.remarks import remarks
from lightning_pose.ops.arithmetic import fixed_order_of_sums
from tests.cli.conftest import TINY, litpose, tiny_data


def talkative(_: argparse.Namespace) -> int:
    logging.getLogger("lightning_pose.data.toy").info("Drawing the toy data\n set in %s.", "x")
    log = logging.getLogger("lightning_pose.data.toy")
    log.debug("In blue.", exc_info=IndexError("the third ear"))
    logging.getLogger("lightning.pytorch").info("Tip: buy more GPUs")
    warnings.warn("this will be gone in 4.0", DeprecationWarning, stacklevel=1)
    return 0


def run(*, debug: bool = False) -> int:
    return guarded(argparse.Namespace(run=talkative, debug=debug))


def test_our_log_is_one_line_without_level_or_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Drawing the toy data set in x.\n")


def test_warnings_of_libraries_and_details_are_shown_on_demand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.warns(DeprecationWarning, match="gone in 4.0"):
        run(debug=True)
    told = "Drawing the toy data set in x.\nIndexError: the third ear\nIn blue.\n"
    assert capsys.readouterr().err == told
    assert not logging.getLogger("lightning_pose.data.toy").isEnabledFor(logging.DEBUG)


def test_an_operation_of_varying_order_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    def put(_: argparse.Namespace) -> int:
        with fixed_order_of_sums():
            for _ in range(2):
                torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))
        return 0

    assert guarded(argparse.Namespace(run=put, debug=False)) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("torch has no version of put_") == 1
    assert "training.deterministic cannot make equal seeds" in said


def test_a_library_that_changes_the_filters_stays_unheard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with remarks():
        warnings.simplefilter("always")
        warnings.warn("add type hints", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_the_log_is_as_before_afterwards() -> None:
    logger = logging.getLogger("lightning_pose")
    before = (logger.level, logger.propagate, list(logger.handlers))
    run()
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_a_broken_tracking_store_is_said_and_stops_nothing(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = litpose(
        "train",
        "data=toy",
        tiny_data(toy),
        *TINY,
        "eval=none",
        "training.max_epochs=1",
        f"tracking.uri=sqlite:///{tmp_path / 'file' / 'mlflow.db'}",
    )
    assert done.code == 0, done.err
    assert "Training goes on" in done.sentences or "tracking" in done.sentences


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/x/y.csv"), "/x/y.csv: Permission denied."),
        (OSError(28, "No space left on device", "/x"), "Free some space"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    def refused(_: argparse.Namespace) -> int:
        raise error

    assert guarded(argparse.Namespace(run=refused, debug=False)) == 1
    assert said in capsys.readouterr().err


def test_a_fault_of_ours_is_owned_up_to(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: argparse.Namespace) -> int:
        return int("x")

    assert guarded(argparse.Namespace(run=broken, debug=False)) == 1
    assert "This is a fault of litpose" in " ".join(capsys.readouterr().err.split())
