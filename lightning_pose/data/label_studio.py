"""Labels as tasks of Label Studio (JSON), written to be imported there and read as exported.

A point is a ``keypointlabels`` result with x and y in percent of the picture
(https://labelstud.io/guide/task_format, https://labelstud.io/tags/keypointlabels).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.labels import LabelTable

NAME = "litpose_image"  # in the data of a task: the image as the label csv calls it
TO, FROM = "image", "keypoint-label"
POINT_WIDTH = 0.5  # percent, as drawn


def write_tasks(table: LabelTable, path: Path, *, sizes: Mapping[str, tuple[int, int]]) -> Path:
    """Write tasks to import, with the points of a table to correct; return ``path``.

    Beside them lies ``<stem>.config.xml``, the labelling interface to paste into the project. The
    images are named for Label Studio's local storage: its document root must be the folder of the
    file (``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``).

    Args:
        table: images relative to the folder of ``path``.
        path: of the JSON.
        sizes: height and width in pixels of each image.
    """
    tasks = []
    for row, image in enumerate(table.images):
        height, width = sizes[image]
        points = [
            {
                "type": "keypointlabels",
                "from_name": FROM,
                "to_name": TO,
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "x": 100 * x / width,
                    "y": 100 * y / height,
                    "width": POINT_WIDTH,
                    "keypointlabels": [name],
                },
            }
            for name, (x, y) in zip(table.keypoint_names, table.xy_img[row].tolist(), strict=True)
            if not np.isnan([x, y]).any()
        ]
        data = {TO: f"/data/local-files/?d={image}", NAME: image}
        tasks.append({"data": data, "annotations": [{"result": points}]})
    labels = "\n".join(f"    <Label value={quoteattr(name)}/>" for name in table.keypoint_names)
    config = (
        f'<View>\n  <KeyPointLabels name="{FROM}" toName="{TO}">\n{labels}\n  </KeyPointLabels>\n'
        f'  <Image name="{TO}" value="${TO}" zoom="true"/>\n</View>\n'
    )
    write_text(path.with_suffix(".config.xml"), config)
    return write_text(path, json.dumps(tasks, indent=1) + "\n")


def read_tasks(path: Path, *, data_dir: Path) -> LabelTable:
    """Return the labels of tasks that Label Studio exported (JSON) and :func:`write_tasks` made.

    The last annotation of a task counts, and of several points of one name the last.

    Args:
        path: of the export.
        data_dir: folder that the images are relative to.

    Raises:
        DataError: it is no such file, or its tasks are not from a worklist of ours.
    """
    try:
        tasks = list(json.loads(path.read_text(encoding="utf-8")))
        images = [str(task["data"][NAME]) for task in tasks]
        found = [dict(_points(task)) for task in tasks]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no JSON export of Label Studio of a worklist of ours ({error!r}): export "
            "the project as JSON, not JSON-MIN."
        ) from error
    names = _names(path, found)
    xy = np.full((len(images), len(names), 2), np.nan)
    for row, points in enumerate(found):
        for name, point in points.items():
            xy[row, names.index(name)] = point
    return LabelTable(
        images=tuple(images),
        xy_img=xy,
        keypoint_names=tuple(names),
        root=data_dir,
        scorer="label-studio",
        source=path,
    )


def _names(path: Path, found: list[dict[str, tuple[float, float]]]) -> list[str]:
    """Return the keypoints: all of the labelling interface, if it lies beside the file."""
    config = path.with_suffix(".config.xml")
    used = list(dict.fromkeys(name for points in found for name in points))
    if not config.is_file():
        return used
    from xml.etree import ElementTree

    root = ElementTree.fromstring(config.read_text(encoding="utf-8"))
    known = [str(label.get("value")) for label in root.iter("Label")]
    return known + [name for name in used if name not in known]


def _points(task: Mapping[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    annotations = [one for one in task["annotations"] if not one.get("was_cancelled")]
    results = annotations[-1]["result"] if annotations else []
    return [
        (
            str(one["value"]["keypointlabels"][0]),
            (
                one["value"]["x"] * one["original_width"] / 100,
                one["value"]["y"] * one["original_height"] / 100,
            ),
        )
        for one in results
        if one["type"] == "keypointlabels"
    ]
