"""Predicting what the user named, one thing after the other, and writing the files."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_pose.contracts.errors import DataError, LitposeError, WriteError
from lightning_pose.contracts.file_hashes import has_stamp
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.inputs import Input, by_view
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles, unique_stems
from lightning_pose.inference.products import Products, Write
from lightning_pose.inference.progress import OnProgress
from lightning_pose.inference.result_key import result_key
from lightning_pose.inference.session import PredictSettings, Session, SessionResult


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input, or of the views of one session.

    Attributes:
        inputs: one a view, unless they make no session.
        files: the files of the result, those that were there already included.
        predictions: of these, the table of each view.
        num_frames: rows of the predictions.
        skipped: everything was there already.
        problems: what was wrong with the source, one sentence each.
        seconds: predicting took; 0 if it was not needed.
        waited_s: of these, spent waiting for the decoder.
        failed: why there is no result, or not all of it.
    """

    inputs: tuple[Input, ...]
    files: tuple[Path, ...] = ()
    predictions: tuple[Path, ...] = ()
    num_frames: int = 0
    skipped: bool = False
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    waited_s: float = 0.0
    failed: LitposeError | None = None


def predict_files(
    model: Model,
    inputs: Sequence[Input],
    *,
    out: Path,
    outputs: OutputSettings | None = None,
    settings: PredictSettings | None = None,
    on_start: Callable[[tuple[Input, ...]], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Outcome]:
    """Predict every input and write its files into ``out``; yield what became of each.

    One that fails, or lacks a view, does not keep the others from being predicted.

    Args:
        model: the model.
        inputs: see :func:`~lightning_pose.inference.inputs.expand_inputs`.
        out: folder of the results.
        outputs: which files are wanted; the predictions as csv if not given.
        settings: how the inputs are read.
        on_start: is told of each session before it begins.
        on_progress: is told how far the current one is.
    """
    sessions, unusable = by_view(inputs, model.view_names)
    for items, reason in unusable.items():
        if on_start is not None:
            on_start(items)
        yield Outcome(inputs=items, failed=reason)
    stems = iter(unique_stems([item.path for session in sessions for item in session]))
    for items in sessions:
        if on_start is not None:
            on_start(items)
        job = _Job(
            model=model,
            session=Session(items, settings or PredictSettings()),
            files=tuple(ResultFiles(out, next(stems)) for _ in items),
            outputs=outputs or OutputSettings(),
            on_progress=on_progress,
        )
        yield job.run()


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One session to predict, and the files wanted for each of its views."""

    model: Model
    session: Session
    files: tuple[ResultFiles, ...]
    outputs: OutputSettings
    on_progress: OnProgress | None

    def run(self) -> Outcome:
        """Predict if need be, write what is missing, and return what became of it."""
        inputs = self.session.inputs
        try:
            identity = self.session.identity(self.model)
            key = result_key(identity)
            notes = [files.check_free(key, self.outputs) for files in self.files]
            missing = [self._missing(view, note) for view, note in enumerate(notes)]
            _check_not_inputs(missing, inputs)
            if not any(missing):
                return _skipped(inputs, self.files, notes)
            found = self._read_back(notes)
            if found is None:
                found = self.session.predict(self.model, on_progress=self.on_progress)
        except LitposeError as error:
            return Outcome(inputs=inputs, failed=error)
        done = Outcome(
            inputs=inputs,
            num_frames=len(found.predictions[0]),
            problems=found.problems,
            seconds=found.seconds,
            waited_s=found.waited_s,
        )
        for view, old in enumerate(notes):
            note = Note(
                key=key,
                source=str(inputs[view].path.absolute()),
                made_from=identity,
                num_frames=done.num_frames,
                problems=done.problems,
                files=old.files if old else (),
                hashes=old.hashes if old else {},
                model=str(self.model.files.checkpoint.absolute()) if self.model.files else "",
            )
            files, failed = _write(missing[view], found.predictions, note, self.files[view])
            done = replace(done, files=done.files + files, failed=done.failed or failed)
        return replace(done, predictions=_tables_among(done.files, self.files))

    def _missing(self, view: int, note: Note | None) -> dict[Path, Write]:
        """Return the files to be written, predictions first, and what writes them."""
        products = Products(
            files=self.files[view],
            settings=self.outputs,
            source=self.session.inputs[view],
            view=view,
            view_names=self.model.view_names,
            labels=tuple(table for table in self.session.labels if table is not None),
            on_progress=self.on_progress,
        )
        return {
            path: write
            for path, write in products.wanted().items()
            if note is None or path.name not in note.files or not path.exists()
        }

    def _read_back(self, notes: Sequence[Note | None]) -> SessionResult | None:
        """Return the predictions an earlier call wrote, if every view's can be read."""
        tables = []
        for files, note in zip(self.files, notes, strict=True):
            for path in files.all_predictions():
                if note is None or path.name not in note.files:
                    continue
                with contextlib.suppress(DataError):
                    if not has_stamp(path, note.hashes.get(path.name, "")):
                        continue  # someone edited it
                    tables.append(Predictions.read(path))
                    break
        if len(tables) < len(self.files):
            return None
        problems = notes[0].problems if notes[0] else ()
        return SessionResult(predictions=tuple(tables), problems=problems)


def _check_not_inputs(missing: Sequence[dict[Path, Write]], inputs: Sequence[Input]) -> None:
    sources = {item.path.resolve() for item in inputs}
    for path in itertools.chain.from_iterable(missing):
        if path.resolve() in sources:
            raise WriteError(
                f"The predictions of {path} would replace it. Choose another folder (--out)."
            )


def _skipped(
    inputs: tuple[Input, ...], files: Sequence[ResultFiles], notes: Sequence[Note | None]
) -> Outcome:
    found = [(place, note) for place, note in zip(files, notes, strict=True) if note]
    paths = tuple(place.out / name for place, note in found for name in note.files)
    return Outcome(
        inputs=inputs,
        files=paths,
        predictions=_tables_among(paths, files),
        num_frames=found[0][1].num_frames,
        problems=found[0][1].problems,
        skipped=True,
    )


def _tables_among(files: Sequence[Path], places: Sequence[ResultFiles]) -> tuple[Path, ...]:
    """Return the predictions of each view, in one of the formats they were written in."""
    found = [[path for path in place.all_predictions() if path in files] for place in places]
    return tuple(paths[0] for paths in found if paths)


def _write(
    missing: dict[Path, Write],
    predictions: Sequence[Predictions],
    note: Note,
    place: ResultFiles,
) -> tuple[tuple[Path, ...], LitposeError | None]:
    """Write the files, and after each the note; return all files of the result.

    Where one fails the others are still tried; the first failure comes back as well.
    """
    failed: LitposeError | None = None
    if not note.files:
        try:
            place.remove_replaced(missing)
        except LitposeError as error:
            return (), error
    for path, write in missing.items():
        try:
            write(predictions)
            now = note.with_file(path)
            _write_note(now, place, path)
            note = now
        except LitposeError as error:
            failed = failed or error
    return tuple(place.out / name for name in note.files), failed


def _write_note(note: Note, place: ResultFiles, newest: Path) -> None:
    """Write the note; if that fails delete ``newest``, which nobody would know to be ours."""
    try:
        note.write(place.note)
    except LitposeError:
        newest.unlink(missing_ok=True)
        raise
