"""Relative paths are found beside the file or in the current folder, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config.conftest import Message, make_data_set


@pytest.fixture
def file_in_project(tmp_path: Path) -> list[str]:
    """Write ./project/mine.yaml, which names its data relatively; return its options."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mine.yaml").write_text("data: {data_dir: set}\n")
    return ["--config-path", "project", "--config-name", "mine"]


def test_the_folder_of_the_file_comes_first(
    tmp_path: Path, file_in_project: list[str], built: Callable[..., Any]
) -> None:
    make_data_set(tmp_path / "set")
    assert built(*file_in_project).data.data_dir == str(tmp_path / "set")
    beside = make_data_set(tmp_path / "project" / "set")
    assert built(*file_in_project).data.data_dir == str(beside)


def test_an_override_means_the_current_folder(
    tmp_path: Path, file_in_project: list[str], built: Callable[..., Any]
) -> None:
    make_data_set(tmp_path / "project" / "set")
    here = make_data_set(tmp_path / "set")
    assert built(*file_in_project, "data.data_dir=set").data.data_dir == str(here)


def test_a_missing_folder_is_named_with_the_places_looked_in(
    tmp_path: Path, file_in_project: list[str], complaint: Message
) -> None:
    assert complaint(*file_in_project) == (
        "The configuration has a problem.\n  data.data_dir = 'set' (project/mine.yaml line 1): "
        f"there is no such folder in {tmp_path}/project nor in {tmp_path}"
    )


def test_folders_above_are_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: Message
) -> None:
    make_data_set(tmp_path / "set")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert "there is no such folder in" in complaint("data.data_dir=set")


def test_no_data_at_all_says_what_to_do(complaint: Message) -> None:
    assert complaint("data=custom") == (
        "The configuration has a problem.\n  data.data_dir: must be set to the folder of the "
        "labels and images; or try data=toy"
    )


def test_videos_and_their_predictions_default_to_the_data_set(
    data_set: Path, built: Callable[..., Any]
) -> None:
    config = built(f"data.data_dir={data_set}")
    videos = str(data_set / "videos")
    assert (config.data.video_dir, config.eval.test_videos_directory) == (videos, videos)


def test_a_data_set_without_videos_has_no_video_folder(
    tmp_path: Path, built: Callable[..., Any]
) -> None:
    (tmp_path / "CollectedData.csv").touch()
    config = built(f"data.data_dir={tmp_path}")
    assert (config.data.video_dir, config.eval.test_videos_directory) == (None, None)


def test_files_may_be_named_relative_to_the_data_set(
    data_set: Path, built: Callable[..., Any]
) -> None:
    (data_set / "boxes.csv").touch()
    config = built(f"data.data_dir={data_set}", "data.bbox_file=boxes.csv")
    assert config.data.bbox_file == str(data_set / "boxes.csv")
    config = built(f"data.data_dir={data_set}", "data.bbox_file=[boxes.csv, boxes.csv]")
    assert config.data.bbox_files == [str(data_set / "boxes.csv")] * 2


def test_a_missing_file_of_a_list_is_named(complaint: Message, data_set: Path) -> None:
    (data_set / "boxes.csv").touch()
    message = complaint(f"data.data_dir={data_set}", "data.bbox_file=[boxes.csv, gone.csv]")
    assert "data.bbox_file = 'gone.csv'" in message
    assert "there is no such file or folder" in message


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        (
            "data.csv_file=labels.csv",
            "data.csv_file = 'labels.csv' (override "
            "data.csv_file=labels.csv): there is no such file in data.data_dir, {data_set}",
        ),
        (
            "model.checkpoint=/nowhere/best.ckpt",
            "model.checkpoint = '/nowhere/best.ckpt' (override "
            "model.checkpoint=/nowhere/best.ckpt): there is no such file or folder",
        ),
        (
            "data.video_dir=films",
            "data.video_dir = 'films' (override data.video_dir=films): there "
            "is no such file or folder in {cwd} nor in {data_set}",
        ),
    ],
)
def test_a_missing_file_is_named(
    data_set: Path, tmp_path: Path, complaint: Message, override: str, wanted: str
) -> None:
    wanted = wanted.format(data_set=data_set, cwd=tmp_path)
    message = complaint(f"data.data_dir={data_set}", override)
    assert message == f"The configuration has a problem.\n  {wanted}"


def test_a_model_in_the_registry_is_no_path(data_set: Path, built: Callable[..., Any]) -> None:
    config = built(f"data.data_dir={data_set}", "model.checkpoint='models:/mouse@production'")
    assert config.model.checkpoint == "models:/mouse@production"


def test_the_environment_names_the_example_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Callable[..., Any], complaint: Message
) -> None:
    make_data_set(tmp_path / "elsewhere" / "mirror-mouse-example")
    monkeypatch.delenv("LITPOSE_EXAMPLE_DATA", raising=False)
    assert (
        "data.data_dir = 'data/mirror-mouse-example' (data/mirror_mouse_example.yaml line 6)"
        in (complaint("data=mirror_mouse_example"))
    )
    monkeypatch.setenv("LITPOSE_EXAMPLE_DATA", str(tmp_path / "elsewhere"))
    config = built("data=mirror_mouse_example")
    assert config.data.data_dir == str(tmp_path / "elsewhere" / "mirror-mouse-example")
    assert (config.training.train_prob, config.training.val_prob) == (0.8, 0.1)


def test_generated_data_is_made_only_when_all_else_is_right(tmp_path: Path) -> None:
    from lightning_pose.config.build import Hooks
    from lightning_pose.config.compose import prepare
    from lightning_pose.contracts.errors import ConfigError

    made: list[Path] = []

    def make() -> Path:
        made.append(make_data_set(tmp_path / f"toy{len(made)}"))
        return made[-1]

    hooks = Hooks(generators={"toy": make})
    with pytest.raises(ConfigError):
        prepare(["data=toy", "training.max_epochs=0"], hooks=hooks)
    assert made == []
    prepare(["data=toy"], hooks=hooks)
    assert len(made) == 1


def test_a_blank_placeholder_means_no_path(data_set: Path, built: Callable[..., Any]) -> None:
    config = built(f"data.data_dir={data_set}", "eval.test_videos_directory=' '")
    assert config.eval.test_videos_directory == str(data_set / "videos")


def test_a_folder_for_results_need_not_be_there_yet(
    data_set: Path, tmp_path: Path, built: Callable[..., Any]
) -> None:
    config = built(f"data.data_dir={data_set}", "eval.saved_vid_preds_dir=results")
    assert config.eval.saved_vid_preds_dir == str(tmp_path / "results")
