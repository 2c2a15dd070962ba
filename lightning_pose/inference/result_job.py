"""One session on its way to files: claimed, looked up, predicted, written."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import (
    DataError,
    FaultError,
    ModelError,
    UnreadableError,
    WriteError,
)
from lightning_pose.contracts.file_hashes import has_stamp
from lightning_pose.contracts.file_locks import FileLock, NoLocksError
from lightning_pose.contracts.files import remove_leftovers
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.failures import failure_of, not_claimed
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles
from lightning_pose.inference.products import (
    Product,
    Products,
    check_not_inputs,
    check_owned,
    write_files,
)
from lightning_pose.inference.progress import OnProgress
from lightning_pose.inference.result_key import result_key
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.rows import Rows, StoredRows, TableRows
from lightning_pose.inference.session import Session

# A disk that is full or gone, a batch too large for the GPU, what may not lie in the video.
_WORTH_ANOTHER_TRY = (WriteError, UnreadableError, ModelError, FaultError)
_logger = logging.getLogger(__name__)


class ResultJob:
    """One session to predict, and the files wanted for each of its views.

    Args:
        model: the model.
        session: what to predict.
        files: of each view.
        outputs: which files are wanted.
        on_progress: is told how far the drawing of a video is.
        stop: when it is set, writing is given up.
        sources: all that is predicted, resolved; no result replaces one of these.
        owners: of the files of all results, the input whose file it is.

    Attributes:
        rows: those of an earlier call, if :meth:`begin` has found them all.
        store: where they go otherwise.
    """

    def __init__(
        self,
        *,
        model: Model,
        session: Session,
        files: Sequence[ResultFiles],
        outputs: OutputSettings,
        on_progress: OnProgress | None,
        stop: threading.Event,
        sources: Collection[Path],
        owners: Mapping[Path, Path],
    ) -> None:
        self.model = model
        self.session = session
        self.files = tuple(files)
        self.outputs = outputs
        self.rows: Rows | None = None
        self.store: RowStore | None = None
        self._on_progress = on_progress
        self._stop = stop
        self._sources = sources
        self._owners = owners
        self._claim: FileLock | None = None
        self._identity: dict[str, Any] = {}
        self._key = ""
        self._notes: list[Note | None] = []
        self._missing: list[dict[Path, Product]] = []

    def begin(self) -> Outcome | None:
        """Claim the session and find out what is missing.

        Return what became of it if that is all. Else :attr:`rows` are there already, or
        :attr:`store` is open to be filled, and then :meth:`finish` is to be called.
        """
        try:
            self._identity = self.session.identity(self.model)
            self._key = result_key(self._identity)
            for view in range(len(self.files)):
                self._products(view).check_names()
            # Looked up again once it is claimed: another process may have finished it just then.
            ended = self._look_up() or self._take() or self._look_up()
            if ended is None:
                self._find_rows()
        except Exception as error:  # told of with its outcome
            ended = Outcome(inputs=self.session.inputs, failed=failure_of(error))
        if ended is not None:
            if ended.skipped:
                self._clear_up()
            self.close()
        return ended

    def finish(self, predicted: Outcome | None) -> Outcome:
        """Write what is missing, give the claim back and return what became of the session.

        Args:
            predicted: what the engine says of it; None if the rows were there already.
        """
        ended = predicted or self._there_already()
        try:
            if self.rows is None and self.store is not None and ended.failed is None:
                self.session.check_unchanged()
                self.store.check_complete(ended.num_frames)
                self.rows = self._named(self.store)
            if self.rows is not None:
                ended = self._write(ended, self.rows)
        except Exception as error:  # told of with its outcome
            ended = replace(ended, failed=failure_of(error))
        worth_another_try = isinstance(ended.failed, _WORTH_ANOTHER_TRY)
        if self.store is not None and not (worth_another_try and self.store.num_rows):
            with contextlib.suppress(OSError):  # a later call clears up what is left
                self.store.delete()
        self.close()
        return ended

    def close(self) -> None:
        """Give the claim back; rows that were predicted stay in their file."""
        if self.store is not None:
            self.store.close()
        if self._claim is not None:
            self._claim.release()
        self.rows = None

    def _look_up(self) -> Outcome | None:
        """Find out which files are missing; return an outcome if none are."""
        inputs = self.session.inputs
        self._notes = [files.check_free(self._key, self.outputs) for files in self.files]
        self._missing = [self._products(view).missing(n) for view, n in enumerate(self._notes)]
        for files, note, wanted in zip(self.files, self._notes, self._missing, strict=True):
            check_not_inputs(wanted, self._sources)
            check_owned(wanted, self.session.inputs, self._owners)
            files.check_ours(wanted, note, self.outputs)
        if any(self._missing):
            return None
        found = [
            (place, note) for place, note in zip(self.files, self._notes, strict=True) if note
        ]
        paths = tuple(place.out / name for place, note in found for name in note.files)
        return Outcome(
            inputs=inputs,
            files=paths,
            predictions=_tables_among(paths, self.files),
            num_frames=found[0][1].num_frames,
            problems=found[0][1].problems,
            skipped=True,
        )

    def _take(self) -> Outcome | None:
        """Claim the session; return an outcome if another process has it."""
        claim = FileLock(self.files[0].claim, leave_file=False)
        try:
            claim.path.parent.mkdir(parents=True, exist_ok=True)
            holder = claim.take()
        except NoLocksError:
            _warn_of_no_locks(self.files[0].out)
            return None
        except OSError as error:
            raise not_claimed(claim.path, error) from error
        if holder:
            if RowStore.key_at(self.files[0].rows) not in ("", self._key):
                raise WriteError(
                    f"{self.files[0].named('')} is being predicted by {holder} with another "
                    "model, version or setting. Choose another folder (--out)."
                )
            return Outcome(inputs=self.session.inputs, claimed_by=holder)
        self._claim = claim
        for path in itertools.chain((files.note for files in self.files), *self._missing):
            remove_leftovers(path)
        return None

    def _clear_up(self) -> None:
        """Delete what a process killed after its last file left beside it."""
        rows = self.files[0].rows
        with contextlib.suppress(WriteError, OSError):  # another is at it, or may not be touched
            if self._claim is None and (rows.exists() or self.files[0].claim.exists()):
                self._take()
            if self._claim is not None and RowStore.key_at(rows) == self._key:
                rows.unlink()

    def _products(self, view: int) -> Products:
        """Return the files that are wanted of a view."""
        return Products(
            files=self.files[view],
            settings=self.outputs,
            source=self.session.inputs[view],
            view=view,
            view_names=self.model.view_names,
            labels=tuple(table for table in self.session.labels if table is not None),
            on_progress=self._on_progress,
            stop=self._stop,
        )

    def _find_rows(self) -> None:
        """Take the rows of an earlier call, from its store or its files, or open a store."""
        note, kept = self._notes[0], self.files[0].rows
        if note is None or not kept.exists():
            self.rows = self._read_back()
        if self.rows is not None:
            return
        self.store = RowStore(
            kept,
            key=self._key,
            keypoint_names=self.model.keypoint_names,
            num_views=len(self.files),
            run_id=self.model.run_id,
        )
        if note is not None and self.store.num_rows == note.num_frames:
            self.rows = self._named(self.store)

    def _named(self, store: RowStore) -> Rows:
        pairs = zip(self.session.inputs, self.session.labels, strict=True)
        images = [
            tuple(image.name for image in item.images) if table is None else table.images
            for item, table in pairs
        ]
        sets = self.session.sets(self.model)
        return StoredRows(store, inputs=self.session.inputs, images=images, sets=sets)

    def _read_back(self) -> Rows | None:
        """Return the predictions an earlier call wrote, if every view's can be read."""
        tables: list[Predictions] = []
        for files, note in zip(self.files, self._notes, strict=True):
            for path in files.all_predictions():
                if note is None or path.name not in note.files:
                    continue
                with contextlib.suppress(DataError):
                    if not has_stamp(path, note.hashes.get(path.name, "")):
                        continue  # someone edited it
                    tables.append(Predictions.read(path))
                    break
        return TableRows(tables) if len(tables) == len(self.files) else None

    def _there_already(self) -> Outcome:
        note = self._notes[0]
        problems = note.problems if note else ()
        count = len(self.rows or ())
        return Outcome(inputs=self.session.inputs, num_frames=count, problems=problems)

    def _write(self, ended: Outcome, rows: Rows) -> Outcome:
        """Write the missing files of every view; return the outcome with them."""
        for view, old in enumerate(self._notes):
            note = Note(
                key=self._key,
                source=str(self.session.inputs[view].path.absolute()),
                made_from=self._identity,
                num_frames=ended.num_frames,
                problems=ended.problems,
                files=old.files if old else (),
                hashes=old.hashes if old else {},
                made_with=old.made_with if old else {},
                model=str(self.model.files.checkpoint.absolute()) if self.model.files else "",
            )
            files, failed = write_files(self._missing[view], rows, note, self.files[view])
            ended = replace(ended, files=ended.files + files, failed=ended.failed or failed)
        return replace(ended, predictions=_tables_among(ended.files, self.files))


@functools.cache
def _warn_of_no_locks(out: Path) -> None:
    """Say so once."""
    _logger.warning(
        "The disk of %s knows no locks, so nothing keeps a second worker from predicting the same "
        "videos.",
        out,
    )


def _tables_among(files: Sequence[Path], places: Sequence[ResultFiles]) -> tuple[Path, ...]:
    """Return the predictions of each view, in one of the formats they were written in."""
    found = [[path for path in place.all_predictions() if path in files] for place in places]
    return tuple(paths[0] for paths in found if paths)
