"""The sweep's own run in the tracking store, under which the runs of its trials lie."""

from __future__ import annotations

import importlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.sweeps.drawings import drawn_files
from lightning_pose.mlops.sweeps.findings import Findings, findings_of
from lightning_pose.mlops.sweeps.page import REPORT, page_of
from lightning_pose.mlops.sweeps.storage import patiently
from lightning_pose.mlops.sweeps.study import ERROR, FOLDER, RETRIED_AS, SIGNATURE
from lightning_pose.mlops.sweeps.table import write_table
from lightning_pose.mlops.tracking.store import RunStart, StorePlace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
SWEEP_ID, RUN_ID = "sweep_id", "tracking_run"
FILES_EVERY_S = 60.0
PAGE = 200
ATTEMPTS, PAUSE_S = 3, 1.0
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED"}
_logger = logging.getLogger(__name__)


class SweepRun:
    """Keeps the parent run of a sweep, and the ends of its children, as the study has them.

    A store that fails costs this run only: that is said, and the sweep goes on.

    Args:
        place: of the store.
        experiment: that the runs of the trials are in.
    """

    def __init__(self, place: StorePlace, *, experiment: str) -> None:
        self.run_id = ""
        self._place = place
        self._experiment = experiment
        self._client: MlflowClient | None = None
        self._failures = 0
        self._experiment_id = ""
        self._files_at = 0.0
        self._safely(lambda: importlib.import_module("mlflow"))  # before anybody waits for us

    def begin(self, study: optuna.Study, sweep_dir: Path) -> None:
        """Open the run of this study, the same one as before if there was one."""
        self._safely(lambda: self._begin(study, sweep_dir))

    def update(self, study: optuna.Study, sweep_dir: Path) -> None:
        """Note what the sweep has found so far, and how its trials ended."""
        if self._failures < ATTEMPTS:
            files_too = time.monotonic() > self._files_at
            self._safely(lambda: self._update(study, sweep_dir, files_too=files_too))

    def end(self, study: optuna.Study, sweep_dir: Path, *, status: str | None) -> None:
        """Write everything down; ``status`` of MLflow closes the run, None leaves it open."""
        self._failures = min(self._failures, 1)  # a last try
        while self._failures < ATTEMPTS:
            if self._safely(lambda: self._end(study, sweep_dir, status)):
                return
            time.sleep(PAUSE_S)

    def _safely(self, write: Callable[[], object]) -> bool:
        """Call ``write`` and tell whether it went well; whatever a store raises is only said."""
        try:
            write()
        except Exception as error:  # of the store or its drivers: the sweep goes on
            self._failures += 1
            text = without_passwords(str(error).strip() or type(error).__name__)
            reason = text.splitlines()[0][:300]
            _logger.warning("The run of the sweep is not wholly tracked: %s", reason)
            return False
        return True

    def _end(self, study: optuna.Study, sweep_dir: Path, status: str | None) -> None:
        self._update(study, sweep_dir, files_too=True)
        if self._client is not None and status is not None:
            self._client.set_terminated(self.run_id, status)

    def _begin(self, study: optuna.Study, sweep_dir: Path) -> None:
        from lightning_pose.mlops.tracking.open_run import open_run

        sweep_id = study.user_attrs.get(SWEEP_ID) or uuid.uuid4().hex
        patiently(lambda: study.set_user_attr(SWEEP_ID, sweep_id))
        space = study.user_attrs.get(SIGNATURE, {}).get("space", {})
        start = RunStart(
            experiment=self._experiment,
            name=f"sweep {study.study_name}",
            params={key: str(text) for key, text in space.items()},
            tags={
                "litpose.run_id": sweep_id,
                "study": study.study_name,
                "run_dir": str(sweep_dir),
                "kind": "sweep",
            },
            resume_id=study.user_attrs.get(RUN_ID),
        )
        opened = open_run(self._place, start)
        patiently(lambda: study.set_user_attr(RUN_ID, opened.run_id))
        self.run_id, self._client = opened.run_id, opened.client
        self._experiment_id = opened.client.get_run(opened.run_id).info.experiment_id
        for run in self._runs(opened.client, "litpose.run_id", sweep_id):
            if run.info.run_id != self.run_id and run.info.status == "RUNNING":
                opened.client.set_terminated(run.info.run_id, "KILLED")  # died being made

    def _update(self, study: optuna.Study, sweep_dir: Path, *, files_too: bool) -> None:
        if self._client is None:
            return
        trials = study.get_trials(deepcopy=False)
        self._settle_children(self._client, trials, sweep_dir)
        found = findings_of(study)
        for key, value in _numbers(found).items():
            self._client.log_metric(self.run_id, key, value)
        for key, text in _tags(found).items():
            self._client.set_tag(self.run_id, key, text)
        if files_too:
            write_text(sweep_dir / REPORT, page_of(found))
            table = write_table(found, sweep_dir / "trials.csv")
            for path in (sweep_dir / REPORT, table):
                self._client.log_artifact(self.run_id, str(path))
            for path in drawn_files(found, sweep_dir / "figures"):
                self._client.log_artifact(self.run_id, str(path), "figures")
            self._files_at = time.monotonic() + FILES_EVERY_S

    def _settle_children(
        self, client: MlflowClient, trials: list[FrozenTrial], sweep_dir: Path
    ) -> None:
        """Tag each child with the state of its trial; end those whose process did not.

        The attempts of a trial share a folder and, as a rule, a run. A process that was killed
        before it could write down its run leaves one behind that nobody carries on.
        """
        last_in = {str(t.user_attrs[FOLDER]): t for t in trials if FOLDER in t.user_attrs}
        for run in self._runs(client, PARENT, self.run_id):
            folder = Path(run.data.tags.get("run_dir", "")).name
            trial = last_in.get(folder)
            if trial is None:
                continue
            if _own_run(sweep_dir / folder) not in ("", run.info.run_id):
                _settle(client, run, {"trial_state": TrialState.FAIL.name})
            elif trial.state == TrialState.WAITING:  # died, and is to be carried on
                died = next(t for t in trials if t.user_attrs.get(RETRIED_AS) == trial.number)
                _settle(client, run, _end_of(died))
            else:
                _settle(client, run, _end_of(trial))

    def _runs(self, client: MlflowClient, tag: str, value: str) -> Iterator[Run]:
        token = None
        while True:
            page = client.search_runs(
                [self._experiment_id],
                filter_string=f"tags.`{tag}` = '{value}'",
                max_results=PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return


def _settle(client: MlflowClient, run: Run, tags: dict[str, str]) -> None:
    """Set the tags that differ, drop those of an earlier end, and close what is still open."""
    run_id, old = run.info.run_id, run.data.tags
    for key, text in tags.items():
        if old.get(key) != text:
            client.set_tag(run_id, key, text)
    for key in (RETRIED_AS, ERROR):
        if key in old and key not in tags:
            client.delete_tag(run_id, key)
    state = tags["trial_state"]
    if run.info.status == "RUNNING" and state != TrialState.RUNNING.name:
        died = state == TrialState.FAIL.name and ERROR not in tags
        client.set_terminated(run_id, "KILLED" if died else STATUS[state])


def _end_of(trial: FrozenTrial) -> dict[str, str]:
    tags = {"trial": str(trial.number), "trial_state": trial.state.name}
    for key in (RETRIED_AS, ERROR):
        if key in trial.user_attrs:
            tags[key] = str(trial.user_attrs[key])[:5000]
    return tags


def _own_run(folder: Path) -> str:
    """Return the run that a run directory says is its own; empty if it says nothing."""
    path = folder / RUN_FILE
    return RunRecord.read(path).tracking.get("run_id", "") if path.is_file() else ""


def _numbers(found: Findings) -> dict[str, float]:
    numbers = {f"trials_{name.lower()}": float(count) for name, count in found.states.items()}
    numbers["device_hours"] = sum(found.device_hours.values())
    if found.configurations:
        best = found.configurations[0]
        numbers["best_val_pixel_error"] = best.mean_px
        if best.spread_px is not None:
            numbers["best_val_pixel_error_sd"] = best.spread_px
    return numbers | {f"importance/{key}": share for key, share in found.importance.items()}


def _tags(found: Findings) -> dict[str, str]:
    if not found.configurations:
        return {}
    best = found.configurations[0]
    return {"best": json.dumps(best.params), "best_trials": " ".join(map(str, best.trials))}
