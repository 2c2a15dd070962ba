"""Batches through the program: shares, other workers, disks and devices that are not there."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightning_pose.contracts.file_locks import FileLock
from tests.cli.conftest import NEW_FRAMES, VIDEO_FRAMES, Done, litpose

FAILED, WRONG_USAGE = 1, 2


def assert_clear(done: Done, code: int, said: str) -> None:
    """Check an error: its exit code, its words, no traceback, no blame on the program."""
    assert done.code == code, done.err
    assert said in done.sentences
    assert "Traceback" not in done.err
    assert "fault of litpose" not in done.err


def test_shares_of_a_manifest_are_predicted_apart_and_summed_up(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "todo.txt"
    videos = sorted((toy / "videos").glob("*.mp4"))
    manifest.write_text("# today\n" + "\n".join(map(str, videos)) + "\n\n")
    out = tmp_path / "preds"
    frames = {"new1.mp4": NEW_FRAMES, "walk1.mp4": VIDEO_FRAMES}
    for number, video in enumerate(videos, start=1):
        words = ("--shard", f"{number}/{len(videos)}")
        done = litpose("predict", run_dir, manifest, "--out", out, *words)
        assert done.code == 0, done.err
        assert [line.split()[:2] for line in done.out.splitlines()[2:3]] == [[video.name, "done"]]
        sums, where = done.out.splitlines()[-2:]
        assert sums.startswith(f"shard {number} of {len(videos)}: 1 input; ")
        assert f" {frames.get(video.name, VIDEO_FRAMES)} frames in " in sums
        assert "of the time waiting for decode" in sums
        assert where == f"results: {out}"
        assert (out / f"{video.stem}.csv").is_file()
    done = litpose("predict", run_dir, manifest, "--out", out)
    assert done.out.splitlines()[-2] == f"{len(videos)} inputs, {len(videos)} there already"


def test_a_wrong_share_is_wrong_usage(run_dir: Path, toy: Path) -> None:
    done = litpose("predict", run_dir, toy / "videos", "--shard", "3/2")
    assert_clear(done, WRONG_USAGE, "as in --shard 2/8, got 3/2")


def test_what_another_worker_predicts_is_no_failure(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    claim = FileLock(tmp_path / ".new1.litpose-claim", leave_file=False)
    assert claim.take() == ""
    done = litpose("predict", run_dir, toy / "videos" / "new1.mp4", "--out", tmp_path)
    claim.release()
    assert done.code == 0, done.err
    assert "being predicted by process " in done.out.splitlines()[2]
    assert done.out.splitlines()[-2] == "1 input, 1 with other workers"
    assert not (tmp_path / "new1.csv").exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_lets_no_row_be_kept_is_told_in_a_sentence(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "preds"
    line = ("predict", run_dir, toy / "videos" / "new1.mp4", "--out", out)
    with files_of_at_most(1000):
        done = litpose(*line)
    assert_clear(done, FAILED, ".new1.litpose-rows was not written: File too large")
    assert not list(out.glob("[!.]*"))
    assert litpose(*line).code == 0
    assert (out / "new1.csv").is_file()
    assert not list(out.glob(".*"))


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(run_dir: Path, toy: Path) -> None:
    out = Path("/sys/litpose-predictions")  # not even for root
    done = litpose("predict", run_dir, toy / "videos" / "new1.mp4", "--out", out)
    assert_clear(done, FAILED, f"{out} cannot be written: ")
    assert "Choose another folder (--out), or make this one writable." in done.sentences


def test_a_gpu_that_is_not_there_is_told_in_a_sentence(
    run_dir: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", run_dir, video, "--device", "cuda")
    assert_clear(done, WRONG_USAGE, "no CUDA device")


def test_a_model_that_is_not_there_is_told_in_a_sentence(toy: Path, tmp_path: Path) -> None:
    done = litpose("predict", tmp_path / "no_such_run", toy / "videos" / "new1.mp4")
    assert_clear(done, FAILED, f"There is no model {tmp_path / 'no_such_run'}")
