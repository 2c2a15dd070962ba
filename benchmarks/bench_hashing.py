"""What knowing its data costs a training at its start: 20,000 images and 100 GB of video.

    python benchmarks/bench_hashing.py FOLDER [--images N] [--video-gb N] [--dvc]

Makes images (files of 64 KiB, random) and videos (sparse files of 5 GB) in FOLDER, and takes down
twice, each time in a new process, how long labels, images and videos take to be known: the first
process hashes, the second finds them unchanged. --dvc notes all of them as tracked by DVC, whose
MD5 covers every byte. FOLDER holds 1.3 GB on the disk, and is not deleted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

CHILD = """
import json, sys, time
from pathlib import Path
from lightning_pose.contracts.file_hashes import FileHashes
from lightning_pose.data.fingerprint import data_fingerprint, video_fingerprint
from lightning_pose.data.labels import read_labels
from lightning_pose.mlops.versions.dvc_files import with_dvc
from lightning_pose.mlops.versions.project import project_state
folder = Path(sys.argv[1])
table = read_labels(folder / "CollectedData.csv", data_dir=folder)
videos = sorted((folder / "videos").glob("*.mp4"))
paths = [table.path(row) for row in range(len(table))]
times = {}
def timed(name, what):
    began, spent = time.perf_counter(), time.process_time()
    result = what()
    times[name] = (time.perf_counter() - began, time.process_time() - spent)
    return result
data = timed("labels and images", lambda: data_fingerprint([table]))
data |= timed("videos", lambda: video_fingerprint(videos, {}))
found = timed("DVC", lambda: with_dvc(data, images=paths))
timed("project", lambda: project_state(folder))
tracked = sum("dvc_md5" in facts for facts in found["videos"]["files"].values())
print(json.dumps({"times": times, "tracked": tracked, "images": "dvc_md5" in found["images"]}))
"""
IMAGE_BYTES = 2**16
VIDEO_GB = 5


def main() -> None:
    """Make the files if need be, and print both times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--video-gb", type=int, default=100)
    parser.add_argument("--dvc", action="store_true")
    args = parser.parse_args()
    make_data(args.folder, args.images, args.video_gb, with_dvc=args.dvc)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {args.images} images, ", end="")
    print(f"{args.video_gb} GB of video{', tracked by DVC' if args.dvc else ''}")
    environment = os.environ | {"XDG_CACHE_HOME": str((args.folder / "cache").resolve())}
    for turn in ("first", "again"):
        command = [sys.executable, "-c", CHILD, str(args.folder)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True)
        found = json.loads(done.stdout)
        times = found["times"]
        whole, spent = (sum(both[which] for both in times.values()) for which in (0, 1))
        parts = ", ".join(f"{name} {wall:.2f}" for name, (wall, _) in times.items())
        print(f"{turn}: {whole:.2f} s ({parts}), of a core {spent:.2f} s; ", end="")
        print(f"videos known to DVC: {found['tracked']}")


def make_data(folder: Path, num_images: int, video_gb: int, *, with_dvc: bool) -> None:
    """Write images, labels and videos that are old enough for their hashes to be kept."""
    images = folder / "labeled-data"
    names = [f"session{n // 1000:02d}/img{n:08d}.png" for n in range(num_images)]
    if not images.exists():
        for name in names:
            (images / name).parent.mkdir(parents=True, exist_ok=True)
            (images / name).write_bytes(os.urandom(IMAGE_BYTES))
        header = ["scorer,me,me", "bodyparts,nose,nose", "coords,x,y"]
        rows = [f"labeled-data/{name},1.0,2.0" for name in names]
        (folder / "CollectedData.csv").write_text("\n".join([*header, *rows, ""]))
        (folder / "videos").mkdir()
        for number in range(video_gb // VIDEO_GB):
            with (folder / "videos" / f"{number:02d}.mp4").open("wb") as file:
                file.write(str(number).encode())
                file.truncate(VIDEO_GB * 10**9)
        time.sleep(3)
    if with_dvc:
        note_as_tracked(folder, images, names)


def note_as_tracked(folder: Path, images: Path, names: list[str]) -> None:
    """Write what DVC would of the images' folder, and of videos whose content nobody knows yet."""
    listed = [{"md5": _md5((images / n).read_bytes()), "relpath": n} for n in sorted(names)]
    text = json.dumps(listed, sort_keys=True).encode()
    digest = f"{_md5(text)}.dir"
    place = folder / ".dvc" / "cache" / "files" / "md5" / digest[:2]
    place.mkdir(parents=True, exist_ok=True)
    (place / digest[2:]).write_bytes(text)
    _note(images, digest)
    for video in (folder / "videos").glob("*.mp4"):
        _note(video, "f" * 32)


def _note(path: Path, digest: str) -> None:
    note = f"outs:\n- md5: {digest}\n  hash: md5\n  path: {path.name}\n"
    path.with_name(f"{path.name}.dvc").write_text(note)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    main()
