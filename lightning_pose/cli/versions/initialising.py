"""A project folder made from one's labels, images and videos."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from lightning_pose.cli.terminal import note, say
from lightning_pose.config.assets import pipeline_file
from lightning_pose.contracts.errors import ConfigError, DataError, WriteError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_checks import checked_labels
from lightning_pose.data.labels import read_labels
from lightning_pose.data.out_of_distribution import find_ood_files
from lightning_pose.mlops.versions.new_project import begin_versions
from lightning_pose.mlops.versions.project_files import (
    OWN_CONFIG,
    ProjectData,
    config_of,
    ignored_of,
    pipeline_of,
    readme_of,
    settings_of,
)

MOVE, LINK = "move", "link"  # else data is copied
COMPLETE_A_KEYPOINT = 2  # poses labelled whole that a PCA of poses needs
LEARNT_SHARE = 0.8  # of the frames, as litpose.yaml has it


def init_and_report(args: argparse.Namespace) -> int:
    """Make the project and say what to do next; return 0.

    Raises:
        LitposeError: the data cannot be used, or the folder is not free; nothing was made.
    """
    folder: Path = args.folder
    _check(args)
    more = [file for files in find_ood_files(args.labels).values() for file in files]
    root = _root_of_images(args)
    tables = [_checked(path, root) for path in (*args.labels, *more)]
    data = ProjectData(
        labels=tuple(path.name for path in args.labels),
        new_labels=tuple(path.name for path in more),
        images=_image_folders(tables),
        views=tuple(args.views),
        singleview_pca=_suits_pca(tables[0]),
    )
    moves = list(_moves(args, data, root, [*args.labels, *more]))
    _check_sources(args.how, [source for source, _ in moves], folder)
    _take(args.how, moves)
    (folder / "data" / "videos").mkdir(parents=True, exist_ok=True)
    files = {
        "dvc.yaml": pipeline_of(data, pipeline_file("dvc.yaml").read_text(encoding="utf-8")),
        ".dvcignore": pipeline_file(".dvcignore").read_text(encoding="utf-8"),
        "params.yaml": settings_of(data),
        OWN_CONFIG: config_of(data),
        ".gitignore": ignored_of(data),
        "README.md": readme_of(folder.resolve().name, data),
    }
    remark = begin_versions(folder, with_git=not args.no_git)
    for name, text in files.items():
        write_text(folder / name, text)
    if remark:
        note(remark)
    if args.videos is None:
        note(f"There is no video yet: put some into {folder / 'data' / 'videos'}.")
    rows = sum(len(table) for table in tables)
    say(f"project: {folder} ({rows} labelled frames); its README.md tells how to go on.")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse a folder that is not free, and files that are not there."""
    folder = args.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WriteError(f"{folder} is not empty; name a folder that is not there yet.")
    gone = [str(path) for path in args.labels if not path.is_file()]
    gone += [str(p) for p in (args.images, args.videos) if p is not None and not p.is_dir()]
    if gone:
        raise DataError(f"There is no {' and no '.join(gone)}.")
    if len(args.labels) > 1 and len(args.views) != len(args.labels):
        raise ConfigError(
            f"{len(args.labels)} label files need as many names of views: --views top side."
        )
    names = [path.name for path in args.labels]
    if len(set(names)) < len(names):
        raise ConfigError("Two label files have the same name; name each after its view.")
    _check_lies_outside(folder, [p for p in (args.images, args.videos) if p is not None])


def _check_sources(how: str, sources: Sequence[Path], folder: Path) -> None:
    """Refuse what copying would never end with, and links that would lead nowhere when moved."""
    _check_lies_outside(folder, sources)
    links = [source for source in sources if source.is_symlink()] if how == MOVE else []
    if links:
        raise ConfigError(
            f"{links[0]} is a link, and a moved link may lead nowhere. Take --copy or --link, or "
            f"put {links[0].resolve()} in its place first."
        )


def _check_lies_outside(folder: Path, sources: Sequence[Path]) -> None:
    places = [source.resolve() for source in sources if source.is_dir()]
    within = [place for place in places if folder.resolve().is_relative_to(place)]
    if within:
        raise ConfigError(f"{folder} lies in {within[0]}, which it is to be made from.")


def _root_of_images(args: argparse.Namespace) -> Path:
    """Return the folder that image paths are relative to; --images may name the next one too."""
    if args.images is None:
        return args.labels[0].resolve().parent
    root = args.images.resolve()
    table = read_labels(args.labels[0], data_dir=root)
    first = PurePosixPath(table.images[0]) if table.images else PurePosixPath()
    named_itself = bool(first.parts) and first.parts[0] == root.name
    return root.parent if named_itself and not (root / first.parts[0]).exists() else root


def _checked(path: Path, root: Path) -> LabelTable:
    table, warnings = checked_labels(read_labels(path, data_dir=root))
    for warning in warnings:
        note(warning)
    return table


def _image_folders(tables: Sequence[LabelTable]) -> tuple[str, ...]:
    """Return the first folders of the image paths.

    Raises:
        DataError: a path has none, or leads out of the project.
    """
    paths = [PurePosixPath(image) for table in tables for image in table.images]
    odd = [str(p) for p in paths if p.is_absolute() or len(p.parts) < 2 or ".." in p.parts]
    if odd:
        raise DataError(
            "Image paths of a project start with a folder in it, as labeled-data/day1/img0001.png "
            f"does; {odd[0]} does not. Change it in the csv, and move the image."
        )
    return tuple(dict.fromkeys(path.parts[0] for path in paths))


def _suits_pca(table: LabelTable) -> bool:
    whole = int(table.labelled.all(axis=1).sum()) * LEARNT_SHARE
    return whole >= COMPLETE_A_KEYPOINT * len(table.keypoint_names)


def _moves(
    args: argparse.Namespace, data: ProjectData, root: Path, labels: Sequence[Path]
) -> Iterator[tuple[Path, Path]]:
    """Yield what is to be taken from where to where; labels last."""
    target = args.folder / "data"
    for name in data.images:
        yield root / name, target / name
    if args.videos is not None:
        yield args.videos, target / "videos"
    for path in labels:
        yield path, target / path.name


def _take(how: str, moves: Sequence[tuple[Path, Path]]) -> None:
    """Copy, move or link files and folders; each target is new.

    Raises:
        WriteError: it failed half way; no source was lost.
    """
    for source, target in moves:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if how == MOVE:
                shutil.move(source, target)
            elif source.is_file():
                shutil.copy2(source, target)
            else:
                shutil.copytree(source, target, copy_function=_link if how == LINK else _copy)
        except OSError as error:
            raise WriteError(
                f"{source} was not brought to {target} whole: {error.strerror or error}. What is "
                f"not in {target.parent} is where it was."
            ) from error


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target)


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(Path(source).resolve())
