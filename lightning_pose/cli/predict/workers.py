"""A prediction by several workers, each a share, started through one of Hydra's launchers."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightning_pose.cli.predict.predicting import PredictRequest, predict_and_report
from lightning_pose.cli.reading import reading_shown
from lightning_pose.cli.terminal import print_error, say, say_table
from lightning_pose.cli.train.remarks import remarks
from lightning_pose.config.shares import run_shares
from lightning_pose.contracts.errors import ConfigError, LitposeError
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.shard import Shard


@dataclass(frozen=True)
class _Share:
    """What a worker does, maybe in a process of its own; it returns its exit code."""

    request: PredictRequest
    of: int
    debug: bool

    def __call__(self, number: int) -> int:
        with remarks(debug=self.debug), reading_shown():
            try:
                shard = Shard(number=number, of=self.of)
                device = device_of_worker(number, self.request.device)
                return predict_and_report(replace(self.request, shard=shard, device=device))
            except LitposeError as error:
                if self.debug:
                    traceback.print_exception(error)
                print_error(str(error))
                return error.exit_code


def device_of_worker(number: int, wished: str) -> str:
    """Return the device of a worker: of several GPUs that ``auto`` may mean, each has its own.

    Args:
        number: of the worker, from 1.
        wished: auto, cpu, cuda or cuda:N.
    """
    import torch

    gpus = torch.cuda.device_count() if wished in ("auto", "cuda") else 0
    return f"cuda:{(number - 1) % gpus}" if gpus > 1 else wished


def predict_in_workers(
    request: PredictRequest,
    *,
    workers: int,
    launcher: str,
    settings: Sequence[str] = (),
    debug: bool = False,
) -> int:
    """Predict all shares of what is asked for; tell how each ended; return the worst exit code.

    Args:
        request: without a share.
        workers: how many.
        launcher: what starts them.
        settings: of the launcher, ``KEY=VALUE``.
        debug: show where an error arose, and details.

    Raises:
        ConfigError: the options do not go together, or there is no such launcher.
        LitposeError: an input cannot be found, or the process of a worker ended without a word.
    """
    if workers < 1:
        raise ConfigError(f"--workers should be 1 or more, got {workers}.")
    if request.shard is not None:
        raise ConfigError("--workers gives each worker its share; leave --shard out.")
    expand_inputs(request.inputs)
    ended = run_shares(
        _Share(request, workers, debug), number=workers, launcher=launcher, settings=settings
    )
    rows = [
        (f"{number}/{workers}", "failed" if code else "done")
        for number, code in enumerate(ended, start=1)
    ]
    say_table(rows, ("share", "outcome"))
    if LitposeError.exit_code in ended:
        say("The same command does what is left.")
    return max(ended)
