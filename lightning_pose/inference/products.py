"""The files made from predictions: tables, metrics, labelled videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import Metric
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.outputs import OutputSettings, ResultFiles
from lightning_pose.inference.progress import OnProgress, Stopwatch
from lightning_pose.inference.snippet import most_active_window
from lightning_pose.metrics.views import computed_by_view
from lightning_pose.video.info import probe
from lightning_pose.video.overlay import draw_labeled_video

Write = Callable[[Sequence[Predictions]], object]


@dataclass(frozen=True, kw_only=True)
class Products:
    """The files wanted of one input; what writes them takes the predictions of all its views.

    Attributes:
        files: how they are named.
        settings: which are wanted.
        source: the input.
        view: its number among the views of its session.
        view_names: of all of them; empty if there is one.
        labels: of all views, if they are label files.
        on_progress: is told how far the drawing of a video is.
    """

    files: ResultFiles
    settings: OutputSettings
    source: Input
    view: int = 0
    view_names: tuple[str, ...] = ()
    labels: tuple[LabelTable, ...] = ()
    on_progress: OnProgress | None = None

    def wanted(self) -> dict[Path, Write]:
        """Return every file with what writes it, in the order in which they are to be written.

        Metrics that need labels or neighbouring frames are passed over where there are none,
        videos where the input is no video.
        """
        tables = self.files.predictions(self.settings)
        wanted: dict[Path, Write] = {path: partial(self._write_table, path) for path in tables}
        for metric in self.settings.metrics:
            if self._applies(metric):
                wanted[self.files.metric(metric)] = partial(self._write_metric, metric)
        if self.source.kind is Kind.VIDEO:
            if self.settings.labeled_video:
                wanted[self.files.labeled_video] = self._draw_all
            if self.settings.snippet:
                wanted[self.files.snippet] = self._draw_snippet
        return wanted

    def _applies(self, metric: Metric) -> bool:
        if metric.needs_labels and not self.labels:
            return False
        return not (metric.needs_video and self.source.kind is Kind.LABELS)

    def _write_table(self, path: Path, predictions: Sequence[Predictions]) -> Path:
        return predictions[self.view].write(path)

    def _write_metric(self, metric: Metric, predictions: Sequence[Predictions]) -> Path:
        tables = computed_by_view(
            metric, predictions, self.labels or None, view_names=self.view_names
        )
        return tables[self.view].to_csv(self.files.metric(metric))

    def _draw_all(self, predictions: Sequence[Predictions]) -> Path:
        own = predictions[self.view]
        return self._draw(self.files.labeled_video, own, range(len(own)))

    def _draw_snippet(self, predictions: Sequence[Predictions]) -> Path:
        own = predictions[self.view]
        window = most_active_window(
            own,
            fps=probe(self.source.path).fps,
            confidence_threshold=self.settings.confidence_threshold,
        )
        return self._draw(self.files.snippet, own, window)

    def _draw(self, path: Path, predictions: Predictions, frames: range) -> Path:
        watch = Stopwatch(len(frames), self.on_progress, stage="drawing")
        return draw_labeled_video(
            self.source.path,
            path,
            predictions,
            confidence_threshold=self.settings.confidence_threshold,
            colormap=self.settings.colormap,
            frames=frames if len(frames) < len(predictions) else None,
            on_frame=watch.report,
        )
