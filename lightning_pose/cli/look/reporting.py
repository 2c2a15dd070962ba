"""The report for the command line, and at the end of a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lightning_pose.cli.look.reading_runs import read_runs
from lightning_pose.cli.terminal import say
from lightning_pose.config.schema import Config
from lightning_pose.contracts.files import write_text
from lightning_pose.mlops.report.page import page_of
from lightning_pose.mlops.report.runs import reported_runs
from lightning_pose.mlops.results import read_run_results
from lightning_pose.mlops.skeleton import edges_of

REPORT = "report.html"


def write_report(args: argparse.Namespace) -> int:
    """Write a page about the runs; return 0.

    Raises:
        LitposeError: a run cannot be read.
    """
    comparison = _comparison(args.comparison) if args.comparison else None
    runs = read_runs(args.runs, args.videos)
    page = page_of(reported_runs(runs), comparison, edges=edges_of(runs, args.edge))
    say(f"report: {write_text(args.out, page)}")
    return 0


def _comparison(folder: Path) -> dict[str, Any]:
    """Return what a comparison wrote; models are opened where that is imported, which is slow."""
    from lightning_pose.cli.judge.comparing import read_comparison

    return read_comparison(folder)


def report_of_run(run_dir: Path, config: Config) -> Path:
    """Write the page about a run that was just trained into its folder; return the file.

    Raises:
        LitposeError: a file of the run cannot be read or written.
    """
    results = read_run_results(run_dir, config, name=config.model.model_name or run_dir.name)
    page = page_of(reported_runs([results]), edges=edges_of([results]))
    return write_text(run_dir / REPORT, page)
