"""Smoothing ensembles of predictions, one video after the other, and writing the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import ConfigError, LitposeError, VideoError, WriteError
from lightning_pose.contracts.file_hashes import content_stamp
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.eks_package import smooth_with_package
from lightning_pose.inference.ensemble import Smoothed, Smoother, smooth_ensemble
from lightning_pose.inference.inputs import Input, by_view
from lightning_pose.inference.members import Members
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles
from lightning_pose.inference.products import Product, Products, check_not_inputs, write_files
from lightning_pose.inference.progress import OnProgress, Progress
from lightning_pose.inference.result_key import code_version, result_key
from lightning_pose.inference.rows import TableRows

ENGINES: dict[str, Smoother] = {"litpose": smooth_ensemble, "eks": smooth_with_package}


@dataclass(frozen=True, kw_only=True)
class SmoothSettings:
    """What is made of the members.

    Attributes:
        out: folder of the results.
        outputs: which files are wanted.
        engine: name of a smoother.
        view_names: of the models, if they have several cameras.
    """

    out: Path
    outputs: OutputSettings
    engine: str = "litpose"
    view_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(f"--engine is one of {', '.join(ENGINES)}, got {self.engine}.")


def smooth_files(
    recordings: Sequence[Members],
    settings: SmoothSettings,
    *,
    on_start: Callable[[tuple[Input, ...]], None] | None = None,
    on_progress: Callable[[tuple[Input, ...], Progress], None] | None = None,
) -> Iterator[Outcome]:
    """Smooth the predictions of every video and write the files; yield what became of each.

    One that fails does not keep the others from being smoothed. Results that are there already,
    made from the same predictions, are not made again.

    Args:
        recordings: see :func:`~lightning_pose.inference.members.find_members`.
        settings: what is made of them.
        on_start: is told of each video, or the views of a session, before it begins.
        on_progress: is told how far the drawing of a video is.
    """
    by_source = {recording.source: recording for recording in recordings}
    sources = frozenset(item.path.resolve() for item in by_source)
    sessions, unusable = by_view(list(by_source), settings.view_names)
    for items, reason in unusable.items():
        if on_start is not None:
            on_start(items)
        yield Outcome(inputs=items, failed=reason)
    for items in sessions:
        if on_start is not None:
            on_start(items)
        try:
            told = partial(on_progress, items) if on_progress else None
            views = [by_source[item] for item in items]
            job = _Job(views, settings, told, sources=sources)
            yield job.run()
        except LitposeError as error:
            yield Outcome(inputs=items, failed=error)


class _Job:
    """The views of one session, and the files wanted for each."""

    def __init__(
        self,
        views: Sequence[Members],
        settings: SmoothSettings,
        on_progress: OnProgress | None,
        *,
        sources: Collection[Path],
    ) -> None:
        self.sources = sources
        self.views = views
        self.settings = settings
        self.files = [ResultFiles(settings.out, view.stem) for view in views]
        self._on_progress = on_progress
        for view, files in zip(views, self.files, strict=True):
            view.check()
            if files.out.resolve() in {table.parent.resolve() for table in view.tables}:
                raise WriteError(
                    f"The results would replace the predictions in {files.out}. Choose another "
                    "folder (--out)."
                )

    def run(self) -> Outcome:
        """Smooth if need be, write what is missing, and return what became of it.

        Raises:
            LitposeError: nothing could be made.
        """
        for number in range(len(self.views)):
            self._products(number).check_names()
        made_from = [self._made_from(view) for view in self.views]
        key = result_key({"views": [hashed for hashed, _ in made_from]})
        notes = [files.check_free(key, self.settings.outputs) for files in self.files]
        missing = [self._missing(number, note) for number, note in enumerate(notes)]
        for files, note, wanted in zip(self.files, notes, missing, strict=True):
            files.check_ours(wanted, note, self.settings.outputs)
            check_not_inputs(wanted, self.sources)
        inputs = tuple(view.source for view in self.views)
        if not any(missing):
            found = [note for note in notes if note]
            files = tuple(self.settings.out / name for note in found for name in note.files)
            return Outcome(
                inputs=inputs, files=files, num_frames=found[0].num_frames, skipped=True
            )
        begun = time.perf_counter()
        smoother = ENGINES[self.settings.engine]
        smoothed = [
            smoother([Predictions.read(table) for table in view.tables]) for view in self.views
        ]
        seconds = time.perf_counter() - begun
        rows = TableRows([table.predictions for table in smoothed])
        ended = Outcome(inputs=inputs, num_frames=len(smoothed[0].predictions), seconds=seconds)
        for number, (view, (hashed, paths)) in enumerate(zip(self.views, made_from, strict=True)):
            note = notes[number] or Note(
                key=key,
                source=str(view.source.path.absolute()),
                made_from=hashed | {"member_files": paths},
                num_frames=ended.num_frames,
            )
            products = self._with_variances(number, missing[number], smoothed[number])
            files, failed = write_files(products, rows, note, self.files[number])
            ended = replace(ended, files=ended.files + files, failed=ended.failed or failed)
        return ended

    def _made_from(self, view: Members) -> tuple[dict[str, Any], list[str]]:
        """Return what the result hangs on, and the paths of the members."""
        hashed = {
            "members": [content_stamp(table) for table in view.tables],
            "engine": self.settings.engine,
            "code": code_version(),
        }
        return hashed, [str(table.absolute()) for table in view.tables]

    def _products(self, number: int) -> Products:
        """Return the files that are wanted of a view."""
        return Products(
            files=self.files[number],
            settings=self.settings.outputs,
            source=self.views[number].source,
            view=number,
            view_names=self.settings.view_names,
            on_progress=self._on_progress,
        )

    def _missing(self, number: int, note: Note | None) -> dict[Path, Product]:
        """Return the files of a view to be written, predictions first."""
        missing = self._products(number).missing(note)
        drawn = {self.files[number].labeled_video, self.files[number].snippet}
        source = self.views[number].source.path
        if drawn & set(missing) and not source.exists():
            raise VideoError(
                f"The video to draw into is not at {source}. Say where it is: --videos FOLDER"
            )
        return missing

    def _with_variances(
        self, number: int, missing: dict[Path, Product], smoothed: Smoothed
    ) -> dict[Path, Product]:
        """Return the products of a view, of which the tables have variances as well."""
        tables = self.files[number].predictions(self.settings.outputs)
        return {
            path: Product(write=lambda _, path=path: smoothed.write(path))
            if path in tables
            else product
            for path, product in missing.items()
        }
