"""Frames whose labels differ between two versions, drawn with the old and the new points."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_atomically, write_text
from lightning_pose.data.image_files import decode_image
from lightning_pose.data.label_versions import KeypointChange, LabelDifference

MOST = 24
COLUMNS = 3
OLD, NEW, MOVE = "#ff9f1c", "#2ec4ff", "white"
LEGEND = "orange circle: before; blue cross: after; the line is the move"
STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#222}figure{display:inline-block;"
    "margin:.5rem;vertical-align:top}img{max-width:34rem}figcaption{font-size:12px}"
    "td,th{padding:.1rem .8rem;text-align:left}"
)


def write_pictures(difference: LabelDifference, path: Path, *, data_dir: Path) -> list[str]:
    """Draw the frames that differ, those that differ most first; return remarks.

    Args:
        difference: of two versions.
        path: a png with up to 24 frames, or an html page with all of them.
        data_dir: folder that image paths are relative to.

    Raises:
        DataError: the suffix is another, or no image is there.
    """
    if path.suffix.lower() not in (".png", ".html"):
        raise DataError(f"--pictures {path}: pictures are written as .png or .html.")
    frames = _by_image(difference)
    there = {i: changes for i, changes in frames.items() if (data_dir / i).is_file()}
    if not there:
        what = "no frame differs" if not frames else f"no image was found under {data_dir}"
        raise DataError(f"--pictures {path}: {what}, so nothing was drawn.")
    remarks = []
    if len(there) < len(frames):
        remarks.append(f"{len(frames) - len(there)} images are not there and were not drawn.")
    if path.suffix.lower() == ".html":
        write_text(path, _page(difference, there, data_dir))
        return remarks
    shown = dict(list(there.items())[:MOST])
    if len(shown) < len(there):
        remarks.append(f"{len(there) - len(shown)} more frames differ; an .html shows all.")
    figure = _sheet(shown, data_dir)
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=100))
    return remarks


def _by_image(difference: LabelDifference) -> dict[str, list[KeypointChange]]:
    """Return the changes of each frame, the farthest moves first, then the most changes."""
    frames: dict[str, list[KeypointChange]] = {}
    for change in difference.changes:
        frames.setdefault(change.image, []).append(change)
    return dict(sorted(frames.items(), key=lambda item: (-_largest(item[1]), -len(item[1]))))


def _largest(changes: Sequence[KeypointChange]) -> float:
    return float(np.nanmax([0.0, *(change.distance_px for change in changes)]))


def _sheet(frames: Mapping[str, Sequence[KeypointChange]], data_dir: Path) -> Any:
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(frames))
    rows = -(-len(frames) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.0 * rows + 0.3), layout="constrained")
    for place, (image, changes) in enumerate(frames.items()):
        _draw(figure.add_subplot(rows, columns, place + 1), image, changes, data_dir)
    figure.suptitle(LEGEND, fontsize=8)
    return figure


def _draw(axis: Any, image: str, changes: Sequence[KeypointChange], data_dir: Path) -> None:
    axis.imshow(decode_image(data_dir / image))
    for change in changes:
        old, new = change.before, change.after
        if old.is_labelled and new.is_labelled:
            axis.plot([old.x, new.x], [old.y, new.y], color=MOVE, linewidth=1)
        if old.is_labelled:
            axis.plot(old.x, old.y, "o", mfc="none", mec=OLD, markersize=7, markeredgewidth=1.5)
        if new.is_labelled:
            axis.plot(new.x, new.y, "x", color=NEW, markersize=7, markeredgewidth=1.8)
        at = new if new.is_labelled else old
        axis.annotate(
            change.keypoint,
            (at.x, at.y),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=6,
            color=NEW if new.is_labelled else OLD,
        )
    axis.set_title(f"{image}\n{_told(changes)}", fontsize=7)
    axis.axis("off")


def _told(changes: Sequence[KeypointChange]) -> str:
    kinds = dict.fromkeys(change.change.value for change in changes)
    numbers = [f"{sum(c.change.value == kind for c in changes)} {kind}" for kind in kinds]
    far = _largest(changes)
    return ", ".join(numbers) + (f", up to {far:.1f} px" if far else "")


def _page(
    difference: LabelDifference, frames: Mapping[str, Sequence[KeypointChange]], data_dir: Path
) -> str:
    figures = [
        f'<figure><img src="data:image/png;base64,{_png(image, changes, data_dir)}">'
        f"<figcaption>{_rows(changes)}</figcaption></figure>"
        for image, changes in frames.items()
    ]
    head = (
        f"{len(difference.added_frames)} frames added, {len(difference.removed_frames)} removed; "
        f"{len(difference.changes)} keypoints differ, {difference.unchanged} are the same."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labels</title>'
        f"<style>{STYLE}</style></head><body><h1>Two versions of labels</h1><p>{head}</p>"
        f"<p>{LEGEND}</p>{''.join(figures)}</body></html>\n"
    )


def _png(image: str, changes: Sequence[KeypointChange], data_dir: Path) -> str:
    content = io.BytesIO()
    _sheet({image: changes}, data_dir).savefig(content, format="png", dpi=110)
    return base64.b64encode(content.getvalue()).decode()


def _rows(changes: Sequence[KeypointChange]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(c.keypoint)}</td><td>{c.change.value}</td>"
        f"<td>{'' if np.isnan(c.distance_px) else f'{c.distance_px:.2f} px'}</td></tr>"
        for c in changes
    )
    return f"<table>{rows}</table>"
