"""Relative paths of a configuration made absolute, and a word on those that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.config.problems import Problem
from lightning_pose.config.registered import Setting, settings_of
from lightning_pose.config.schema import Config, DataConfig
from lightning_pose.contracts.files import in_home

REGISTRY_SCHEME = "models:/"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where relative paths are looked for.

    Attributes:
        cwd: the current folder.
        config_dir: the folder of the configuration file, if there is one.
        is_override: tells whether the value of a key was given on the command line; such a path
            is looked for in the current folder first, every other in the file's folder first.
    """

    cwd: Path
    config_dir: Path | None = None
    is_override: Callable[[str], bool] = lambda key: False

    def folders(self, key: str) -> tuple[Path, ...]:
        """Return the folders to look in for the path under ``key``, in order."""
        if self.config_dir is None:
            return (self.cwd,)
        first, second = self.config_dir, self.cwd
        return (second, first) if self.is_override(key) else (first, second)


def settle_paths(config: Config, places: Places) -> list[Problem]:
    """Make every path absolute, in place; return those that name nothing.

    data_dir comes first: the others are looked for in it last of all, and video_dir defaults to a
    folder in it.
    """
    problems = list(_settle_data_dir(config.data, places))
    data_dir = (Path(config.data.data_dir),) if config.data.data_dir else ()
    for setting in settings_of(config):
        if setting.rule.path and setting.value and setting.key != "data.data_dir":
            folders = (*places.folders(setting.key), *data_dir)
            problems += _settle(setting, folders, cwd=places.cwd)
    _default_folders(config)
    problems += _missing_labels(config.data)
    return problems


def settle_found(config: Config, places: Places) -> None:
    """Make absolute, in place, each path that leads somewhere; leave the others as they are.

    No folder takes its default here.
    """
    inputs = [setting for setting in settings_of(config) if setting.rule.path == "input"]
    inputs.sort(key=lambda setting: setting.key != "data.data_dir")  # the others may lie in it
    for setting in inputs:
        data_dir = (Path(config.data.data_dir),) if config.data.data_dir else ()
        value = (setting.value or "").strip()
        found = _find(value, (*places.folders(setting.key), *data_dir)) if value else None
        if found is not None:
            setattr(setting.section, setting.key.rpartition(".")[2], str(found))


def _settle(setting: Setting, folders: tuple[Path, ...], *, cwd: Path) -> Iterator[Problem]:
    """Make a path absolute, or each of a list; blanks, as placeholders have them, mean none."""
    several = isinstance(setting.value, list)
    given = setting.value if several else [setting.value]
    if given[0].startswith(REGISTRY_SCHEME):
        return
    found: list[str] = []
    for value in filter(str.strip, given):
        outputs = setting.rule.path == "output"
        path = _absolute(value, cwd) if outputs else _find(value, folders)
        if path is None:
            yield _missing(setting.key, value, folders)
        else:
            found.append(str(path))
    settled = found if several else next(iter(found), None)
    setattr(setting.section, setting.key.rpartition(".")[2], settled)


def _settle_data_dir(data: DataConfig, places: Places) -> Iterator[Problem]:
    if data.data_dir is None:
        if data.generator is None:
            rule = "must be set to the folder of the labels and images; or try data=toy"
            yield Problem(key="data.data_dir", rule=rule)
        return
    folders = places.folders("data.data_dir")
    found = _find(data.data_dir, folders)
    if found is None or not found.is_dir():
        yield _missing("data.data_dir", data.data_dir, folders, what="folder")
        data.data_dir = None
    else:
        data.data_dir = str(found)


def _default_folders(config: Config) -> None:
    data = config.data
    if data.video_dir is None and data.data_dir is not None:
        videos = Path(data.data_dir) / "videos"
        data.video_dir = str(videos) if videos.is_dir() else None
    if config.eval.test_videos_directory is None:
        config.eval.test_videos_directory = data.video_dir


def _missing_labels(data: DataConfig) -> Iterator[Problem]:
    for name in data.csv_files if data.data_dir is not None else ():
        if not (Path(data.data_dir or "") / name).is_file():
            rule = f"there is no such file in data.data_dir, {data.data_dir}"
            yield Problem(key="data.csv_file", value=name, others=("data.data_dir",), rule=rule)


def _find(value: str, folders: tuple[Path, ...]) -> Path | None:
    candidates = (_absolute(value, folder) for folder in folders)
    return next((path for path in candidates if path.exists()), None)


def _absolute(value: str, folder: Path) -> Path:
    return (folder / in_home(value)).resolve()


def _missing(
    key: str, value: str, folders: tuple[Path, ...], what: str = "file or folder"
) -> Problem:
    looked = "" if in_home(value).is_absolute() else _in_words(folders)
    return Problem(key=key, value=value, rule=f"there is no such {what}{looked}")


def _in_words(folders: tuple[Path, ...]) -> str:
    return " in " + " nor in ".join(str(folder) for folder in dict.fromkeys(folders))
