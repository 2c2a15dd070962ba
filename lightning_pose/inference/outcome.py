"""What became of the things to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import LitposeError, let_go
from lightning_pose.inference.inputs import Input


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input, or of the views of one session.

    Attributes:
        inputs: one a view, unless they make no session.
        files: the files of the result, those that were there already included.
        predictions: of these, the table of each view.
        num_frames: rows of the predictions.
        num_predicted: of these, those predicted now, not by an earlier call.
        skipped: everything was there already.
        claimed_by: another process is at work on it, this one; nothing was done here.
        problems: what was wrong with the source, one sentence each.
        seconds: from opening it to its last frame; 0 if nothing was predicted. Several inputs are
            at work at once: these seconds are not to be added up.
        waited_s: of these, spent waiting for frames of this input while none of another came: what
            the network waited for decoding, added up over all inputs.
        failed: why there is no result, or not all of it.
    """

    inputs: tuple[Input, ...]
    files: tuple[Path, ...] = ()
    predictions: tuple[Path, ...] = ()
    num_frames: int = 0
    num_predicted: int = 0
    skipped: bool = False
    claimed_by: str = ""
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    waited_s: float = 0.0
    failed: LitposeError | None = None

    def __post_init__(self) -> None:
        if self.failed is not None:  # of a batch all are kept to its end
            let_go(self.failed)
