"""Bounding boxes on the command line: those named by --bbox-file, else those of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import is_file
from lightning_pose.data.bboxes import Box, bbox_file_beside, read_bboxes
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.model import Model


def label_bbox_files(model: Model, given: Sequence[Path]) -> tuple[Path, ...]:
    """Return the boxes of labelled images: those given, else those that the run was trained on.

    Raises:
        ConfigError: the run's are gone.
    """
    if given:
        return tuple(given)
    files = tuple(Path(file) for file in trained_on_boxes(model))
    gone = [str(file) for file in files if not file.is_file()]
    if gone:
        raise ConfigError(
            "The model was trained on images cropped to boxes (data.bbox_file), but there is no "
            f"{' nor '.join(gone)}. Name the csv of boxes with --bbox-file."
        )
    return files


def label_boxes(model: Model, given: Sequence[Path]) -> dict[str, Box] | None:
    """Return the box of each labelled image; None = images are shown whole.

    Raises:
        ConfigError: the run's boxes are gone.
        DataError: a file of boxes cannot be read.
    """
    files = label_bbox_files(model, given)
    return read_bboxes(*files) if files else None


def trained_on_boxes(model: Model) -> list[str]:
    """Return the files of boxes that the model was trained with; none if it saw whole images."""
    run_dir = model.files.run_dir if model.files else None
    return load_run_config(run_dir).data.bbox_files if run_dir else []


def share_out(
    inputs: Sequence[Input], given: Sequence[Path]
) -> tuple[tuple[Path, ...], dict[Path, Path]]:
    """Return which of the given files are for images of label files, and which for which video.

    ``<stem>_bbox.csv`` is for ``<stem>.mp4``; for a single video the file may have any name.

    Raises:
        ConfigError: one is no file, or it cannot be told what it is for.
    """
    for file in given:
        if not is_file(file):
            raise ConfigError(f"--bbox-file {file}: there is no such file, or it may not be read.")
    videos = [item.path for item in inputs if item.kind is not Kind.LABELS]
    if len(given) == len(videos) == len(inputs) == 1:
        return (), {videos[0]: given[0]}
    of_videos: dict[Path, Path] = {}
    others: list[Path] = []
    for file in given:
        meant = [video for video in videos if bbox_file_beside(video).name == file.name]
        if len(meant) == 1:
            of_videos[meant[0]] = file
        else:
            others.append(file)
    if others and len(videos) == len(inputs):
        wanted = bbox_file_beside(videos[0]).name
        raise ConfigError(
            f"--bbox-file {others[0]}: it cannot be told which video these boxes are for; name "
            f"the file after its video, as in {wanted} for {videos[0].name}."
        )
    return tuple(others), of_videos
