"""The files made from predictions: tables, metrics, labelled videos."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import LitposeError, WriteError
from lightning_pose.contracts.files import is_file, is_name_too_long, real_path
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import Metric, MetricTable, write_metric_csv
from lightning_pose.contracts.predictions import Predictions, write_predictions_csv
from lightning_pose.inference.failures import failure_of
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles
from lightning_pose.inference.progress import OnProgress, Progress, Stopwatch
from lightning_pose.inference.result_key import code_of
from lightning_pose.inference.rows import Rows, parts_of
from lightning_pose.inference.snippet import most_active_window
from lightning_pose.metrics.views import computed_by_view
from lightning_pose.video.info import probe
from lightning_pose.video.overlay import draw_labeled_video


@dataclass(frozen=True, kw_only=True)
class Product:
    """One file to be written.

    Attributes:
        write: takes the predictions of all views of the session.
        made_with: what the file hangs on beside them, as plain values (JSON).
    """

    write: Callable[[Rows], object]
    made_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Products:
    """The files wanted of one input.

    Attributes:
        files: how they are named.
        settings: which are wanted.
        source: the input.
        view: its number among the views of its session.
        view_names: of all of them; empty if there is one.
        labels: of all views, if they are label files.
        on_progress: is told how far the drawing of a video is.
        stop: when it is set, writers give up.
    """

    files: ResultFiles
    settings: OutputSettings
    source: Input
    view: int = 0
    view_names: tuple[str, ...] = ()
    labels: tuple[LabelTable, ...] = ()
    on_progress: OnProgress | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def missing(self, note: Note | None) -> dict[Path, Product]:
        """Return the files that are not there yet, or were made with something else.

        Args:
            note: of an earlier result with the same key; None if there is none.
        """
        return {
            path: product
            for path, product in self.wanted().items()
            if note is None
            or path.name not in note.files
            or note.made_with.get(path.name, {}) != product.made_with
            or not path.exists()
        }

    def wanted(self) -> dict[Path, Product]:
        """Return every file, in the order in which they are to be written.

        Metrics that need labels or neighbouring frames are passed over where there are none,
        videos where the input is no video.
        """
        tables = self.files.predictions(self.settings)
        wanted = {path: Product(write=partial(self._write_table, path)) for path in tables}
        for metric in self.settings.metrics:
            if self._applies(metric):
                write = partial(self._write_metric, metric)
                made_with = {"code": code_of(metric)}
                wanted[self.files.metric(metric)] = Product(write=write, made_with=made_with)
        if self.source.kind is Kind.VIDEO:
            looks = {
                "confidence": self.settings.confidence_threshold,
                "colormap": self.settings.colormap,
            }
            if self.settings.labeled_video:
                product = Product(write=self._draw_all, made_with=looks)
                wanted[self.files.labeled_video] = product
            if self.settings.snippet:
                product = Product(write=self._draw_snippet, made_with=looks)
                wanted[self.files.snippet] = product
        return wanted

    def check_names(self) -> None:
        """Check, before anything is predicted, that the disk takes the names of all files.

        Where some were made before it took them.

        Raises:
            WriteError: one is too long for it.
        """
        if is_file(self.files.note):
            return
        videos = (self.files.labeled_video, self.files.snippet)
        for path in (self.files.note, *self.wanted()):
            if is_name_too_long(path, is_video=path in videos):
                raise WriteError(
                    f"{self.source.path} has too long a name: those of the files made of it are "
                    f"longer still, and the disk of {self.files.out} does not take them. Give it "
                    "a shorter name."
                )

    def _applies(self, metric: Metric) -> bool:
        if metric.needs_labels and not self.labels:
            return False
        return not (metric.needs_video and self.source.kind is Kind.LABELS)

    def _write_table(self, path: Path, rows: Rows) -> Path:
        if path.suffix == ".csv":
            return write_predictions_csv(path, self._parts(rows))
        return self._own(rows).write(path)

    def _parts(self, rows: Rows) -> Iterator[Predictions]:
        for _, views in parts_of(rows):
            self._check_wanted()
            yield views[self.view]

    def _own(self, rows: Rows) -> Predictions:
        return rows.views()[self.view]

    def _write_metric(self, metric: Metric, rows: Rows) -> Path:
        return write_metric_csv(self.files.metric(metric), self._values(metric, rows))

    def _values(self, metric: Metric, rows: Rows) -> Iterator[MetricTable]:
        """Yield the values part by part, or whole where a metric may look at any row for each."""
        looks_back: int | None = getattr(metric, "looks_back", None)
        if looks_back is None or self.labels:
            parts = iter([(0, rows.views())])
        else:
            parts = parts_of(rows, looks_back=looks_back)
        for passed, views in parts:
            self._check_wanted()
            tables = computed_by_view(
                metric, views, self.labels or None, view_names=self.view_names
            )
            table = tables[self.view]
            yield replace(table, values=table.values[passed:], index=table.index[passed:])

    def _check_wanted(self) -> None:
        if self.stop.is_set():
            raise WriteError(f"The files of {self.source.path} were not all written: interrupted.")

    def _tell(self, progress: Progress) -> None:
        self._check_wanted()
        if self.on_progress is not None:
            self.on_progress(progress)

    def _draw_all(self, rows: Rows) -> Path:
        own = self._own(rows)
        return self._draw(self.files.labeled_video, own, range(len(own)))

    def _draw_snippet(self, rows: Rows) -> Path:
        own = self._own(rows)
        window = most_active_window(own, fps=probe(self.source.path).fps)
        return self._draw(self.files.snippet, own, window)

    def _draw(self, path: Path, predictions: Predictions, frames: range) -> Path:
        watch = Stopwatch(len(frames), self._tell, stage="drawing")
        return draw_labeled_video(
            self.source.path,
            path,
            predictions,
            confidence_threshold=self.settings.confidence_threshold,
            colormap=self.settings.colormap,
            frames=frames if len(frames) < len(predictions) else None,
            on_frame=watch.report,
        )


def check_not_inputs(wanted: Iterable[Path], sources: Collection[Path]) -> None:
    """Check that no result would replace one of the sources (resolved), overwriting or not.

    Raises:
        WriteError: one would.
    """
    for path in wanted:
        if real_path(path) in sources:
            raise WriteError(
                f"{path} is to be predicted itself, but would be replaced by a result of this "
                "name. Choose another folder (--out)."
            )


def check_owned(
    wanted: Iterable[Path], inputs: Sequence[Input], owners: Mapping[Path, Path]
) -> None:
    """Check that no file of a result is also one of another input's, as names may have it.

    Raises:
        WriteError: one is.
    """
    own = {item.path for item in inputs}
    for path in wanted:
        owner = owners.get(path)
        if owner is not None and owner not in own:
            raise WriteError(
                f"{path.name} would be a result of {inputs[0].path} and of {owner}. Rename one of "
                "them, or predict them into different folders (--out)."
            )


def owners_of(
    results: Iterable[tuple[ResultFiles, Input]], settings: OutputSettings
) -> dict[Path, Path]:
    """Return of every file of some results the first input that it is made of."""
    owners: dict[Path, Path] = {}
    for files, item in results:
        for path in Products(files=files, settings=settings, source=item).wanted():
            owners.setdefault(path, item.path)
    return owners


def write_files(
    missing: dict[Path, Product],
    rows: Rows,
    note: Note,
    place: ResultFiles,
) -> tuple[tuple[Path, ...], LitposeError | None]:
    """Write the files, and after each the note; return all files of the result.

    Where one fails the others are still tried; the first failure comes back as well. A note that
    plans them is written first: should the process be killed between a file and its note, the file
    is known to be ours, and not taken for what it was before.
    """
    failed: LitposeError | None = None
    note = replace(note.without(missing), planned=tuple(path.name for path in missing))
    try:
        if not note.files:
            place.remove_replaced(missing)
        if missing:
            note.write(place.note)
    except Exception as error:  # told of with its outcome
        return tuple(place.out / name for name in note.files), failure_of(error)
    for path, product in missing.items():
        try:
            product.write(rows)
            now = note.with_file(path, product.made_with)
            _write_note(now, place, path)
            note = now
        except Exception as error:  # told of with its outcome
            failed = failed or failure_of(error)
    if not note.files:
        with contextlib.suppress(OSError):  # a later call clears up what is left
            place.note.unlink()
    return tuple(place.out / name for name in note.files), failed


def _write_note(note: Note, place: ResultFiles, newest: Path) -> None:
    """Write the note; if that fails delete ``newest``, which nobody would know to be ours."""
    try:
        note.write(place.note)
    except Exception:
        newest.unlink(missing_ok=True)
        raise
