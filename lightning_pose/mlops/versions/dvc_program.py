"""DVC as a program: what it answers. It is not imported, because that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lightning_pose.contracts.errors import DataError


def dvc(folder: Path, *words: str, timeout_s: float | None = None) -> str:
    """Return what DVC prints in a folder.

    Args:
        folder: in the project.
        words: the command, without ``dvc``.
        timeout_s: seconds that it may take; None = as long as it wants.

    Raises:
        DataError: DVC is not installed, fails, or takes too long; the message is its own last
            word.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=folder,
            env=os.environ | {"DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"dvc {words[0]}: it took longer than {error.timeout:.0f} s") from error
    if done.returncode:
        raise DataError(f"dvc {words[0]}: {_reason(done.stderr)}")
    return done.stdout


def _reason(text: str) -> str:
    """Return the line of what DVC said that tells why it failed."""
    lines = text.strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")]
    told = (errors or lines or ["it failed"])[0]
    return told.removeprefix("ERROR:").partition(" - Checkout failed")[0].strip()
