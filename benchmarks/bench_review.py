"""How fast a review data set is built: made-up predictions, a real database.

  python benchmarks/bench_review.py --pictures 20000 --models 2 --keypoints 17

Prints the pictures written a second, and for comparison what FiftyOne's own way to add samples
takes of the same documents' worth. Needs a mongod (litpose doctor).
"""

from __future__ import annotations

import argparse
import atexit
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from lightning_pose.mlops.review.database import fiftyone_of
from lightning_pose.mlops.review.dataset import build_dataset
from lightning_pose.mlops.review.table import PIXEL_ERROR, ReviewTable

SIZE = (406, 396)
THEIRS = 300


def made_up(pictures: int, models: int, keypoints: int) -> ReviewTable:
    """Return a table of random predictions."""
    rng = np.random.default_rng(0)
    shape = (models, pictures, keypoints)
    labels = rng.uniform(0, min(SIZE), (pictures, keypoints, 2))
    labels[rng.random((pictures, keypoints)) < 0.1] = np.nan
    xy = labels + rng.normal(0, 5, (models, pictures, keypoints, 2))
    error = np.linalg.norm(xy - labels, axis=-1)
    more = {name: rng.random(shape) for name in ("temporal_norm", "pca_singleview_error")}
    texts = {
        name: (value,) * pictures
        for name, value in {
            "views": "",
            "sessions": "day1",
            "splits": "test",
            "distributions": "in",
            "videos": "",
            "reasons": "",
            "label_files": "",
        }.items()
    }
    images = tuple(f"labeled-data/day1/img{row:08d}.png" for row in range(pictures))
    return ReviewTable(
        models=tuple("abcdefgh"[:models]),
        keypoint_names=tuple(f"point{k}" for k in range(keypoints)),
        files=tuple(Path("/nowhere") / image for image in images),
        images=images,
        groups=images,
        frames=np.full(pictures, -1),
        label_xy=labels,
        xy=xy,
        confidence=rng.random(shape),
        metrics={PIXEL_ERROR: error, **more},
        **texts,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20000)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--keypoints", type=int, default=17)
    args = parser.parse_args()
    table = made_up(args.pictures, args.models, args.keypoints)
    sizes = np.tile(np.array(SIZE), (args.pictures, 1))
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after the database has ended
    fo = fiftyone_of(folder)
    began = time.perf_counter()
    built = build_dataset(fo, "bench", table, sizes, {"name": "bench"}, edges=())
    seconds = time.perf_counter() - began
    print(f"ours: {args.pictures / seconds:.0f} pictures/s ({seconds:.1f} s)")
    samples = [fo.Sample.from_dict(one.to_dict()) for one in built.dataset[:THEIRS]]
    other = fo.Dataset("theirs")
    began = time.perf_counter()
    other.add_samples(samples, progress=False)
    rate = THEIRS / (time.perf_counter() - began)
    print(f"FiftyOne's add_samples: {rate:.0f} pictures/s")


if __name__ == "__main__":
    main()
