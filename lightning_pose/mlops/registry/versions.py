"""Named models, their versions, and the aliases champion, challenger and previous."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_pose.contracts.errors import LitposeError, ModelError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.registry.packing import CALIBRATION_TAG, DIGEST_TAG, is_of, log_model
from lightning_pose.mlops.tracking.store import (
    RUN_TAG,
    StorePlace,
    alone,
    experiment_named,
    open_client,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
SCHEME = "models:/"
NAME = re.compile(r"[\w .+-]+")
VERDICT_TAG, BEFORE_TAG, TEST_SET_TAG = "promotion", "champion_before", "test_set"


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version of a named model.

    Attributes:
        name: of the model.
        version: its number, from 1.
        aliases: champion, challenger, previous or others.
        mlflow_run: id of the run that trained it; empty if unknown.
        checkpoint_sha256: hash of its weights; empty if unknown.
        calibration_sha256: of the calibration of its confidence; empty if it has none.
        verdict: the numbers of its last comparison with a champion; empty = none yet.
    """

    name: str
    version: int
    aliases: tuple[str, ...] = ()
    mlflow_run: str = ""
    checkpoint_sha256: str = ""
    calibration_sha256: str = ""
    verdict: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def uri(self) -> str:
        """Return what stands for it on a command line."""
        return f"{SCHEME}{self.name}/{self.version}"


class ModelRegistry:
    """The named models of a tracking store.

    Args:
        place: of the store.
        create: make the store if there is none.

    Raises:
        ModelError: there is no store, or it cannot be opened.
    """

    def __init__(self, place: StorePlace, *, create: bool = False) -> None:
        if place.database is not None and not place.database.is_file() and not create:
            raise ModelError(
                f"There is no tracking store {place.database}. Go to its folder, or name one with "
                "--tracking-uri or the variable MLFLOW_TRACKING_URI."
            )
        self.place = place
        with self._in_words("be opened"):
            self._client: MlflowClient = open_client(place)

    @classmethod
    def open(cls, tracking_uri: str | None = None, *, create: bool = False) -> ModelRegistry:
        """Return the registry at a URI; by default MLFLOW_TRACKING_URI, else ``./mlflow.db``."""
        place = StorePlace.choose(uri=tracking_uri, artifact_dir=None, cwd=Path.cwd())
        return cls(place, create=create)

    def names(self) -> list[str]:
        """Return the names of all models."""
        with self._in_words("list its models"):
            return [model.name for model in self._client.search_registered_models()]

    def versions(self, name: str) -> list[RegisteredVersion]:
        """Return the versions of a model, the newest first.

        Raises:
            ModelError: there is no such model.
        """
        with self._in_words(f"tell of the model {name!r}"):
            aliases = self._aliases(name)
            found = self._client.search_model_versions(f"name = '{name}'")
        versions = [_version_of(version, aliases) for version in found]
        return sorted(versions, key=lambda version: -version.version)

    def holder(self, name: str, alias: str) -> RegisteredVersion | None:
        """Return the version that has an alias, None if none has.

        Raises:
            ModelError: there is no such model.
        """
        return next((v for v in self.versions(name) if alias in v.aliases), None)

    def register(self, run_dir: Path, name: str) -> RegisteredVersion:
        """Store the best checkpoint of a run directory as a version; it becomes the challenger.

        The version holds all that predicts: neither the run directory nor its data are needed
        any more. One of the same weights and calibration that is there already is taken instead
        of a new one.

        Raises:
            ModelError: the store does not take it, the name cannot be one, or the run has no best
                checkpoint.
        """
        if not NAME.fullmatch(name):
            raise ModelError(
                f"{name!r} cannot be the name of a model: give --name with letters, digits, "
                "spaces and . + - _ only."
            )
        with self._in_words(f"take {run_dir}"):
            model = self._logged_model(run_dir)
            self._make_name(name)
            tags = {tag: model.tags.get(tag, "") for tag in (DIGEST_TAG, CALIBRATION_TAG)}
            same = [
                v
                for v in self.versions(name)
                if is_of(tags, v.checkpoint_sha256, v.calibration_sha256)
            ]
            if not same:
                made = self._client.create_model_version(
                    name,
                    model.artifact_location,
                    run_id=model.source_run_id,
                    tags=tags,
                    model_id=model.model_id,
                )
                same = [_version_of(made, {})]
            version = same[0]
            if CHAMPION not in version.aliases:
                self._client.set_registered_model_alias(name, CHALLENGER, str(version.version))
        return next(v for v in self.versions(name) if v.version == version.version)

    def promote(self, challenger: RegisteredVersion) -> None:
        """Make a version the champion, and the champion the previous one."""
        name = challenger.name
        with self._in_words(f"promote {challenger.uri}"), alone(self.place.database):
            champion = self.holder(name, CHAMPION)
            if champion is not None:
                self._client.set_registered_model_alias(name, PREVIOUS, str(champion.version))
                before = str(champion.version)
                self._client.set_model_version_tag(
                    name, str(challenger.version), BEFORE_TAG, before
                )
            self._client.set_registered_model_alias(name, CHAMPION, str(challenger.version))
            if CHALLENGER in challenger.aliases:
                self._client.delete_registered_model_alias(name, CHALLENGER)

    def roll_back(self, name: str) -> tuple[RegisteredVersion, RegisteredVersion]:
        """Make the previous champion the champion again; return it, and the one it replaces.

        The one before that, if there is one, becomes the previous.

        Raises:
            ModelError: there is no previous champion.
        """
        champion, previous = self.holder(name, CHAMPION), self.holder(name, PREVIOUS)
        if champion is None or previous is None:
            raise ModelError(f"The model {name!r} has no previous champion to go back to.")
        with self._in_words(f"roll {name!r} back"), alone(self.place.database):
            tags = self._client.get_model_version(name, str(previous.version)).tags
            self._client.set_registered_model_alias(name, CHAMPION, str(previous.version))
            if BEFORE_TAG in tags:
                self._client.set_registered_model_alias(name, PREVIOUS, tags[BEFORE_TAG])
            else:
                self._client.delete_registered_model_alias(name, PREVIOUS)
        return previous, champion

    def note_verdict(self, version: RegisteredVersion, verdict: dict[str, Any]) -> None:
        """Keep the numbers of a comparison with the version."""
        with self._in_words(f"note the verdict on {version.uri}"):
            self._client.set_model_version_tag(
                version.name, str(version.version), VERDICT_TAG, json.dumps(verdict)
            )

    def test_set(self, name: str) -> dict[str, Any]:
        """Return the test set that was frozen for a model; empty if there is none yet."""
        with self._in_words(f"tell of the model {name!r}"):
            text = self._client.get_registered_model(name).tags.get(TEST_SET_TAG, "{}")
        return dict(json.loads(text))

    def freeze_test_set(self, name: str, test_set: dict[str, Any]) -> None:
        """Note on what versions of a model are compared from now on."""
        with self._in_words(f"note the test set of {name!r}"):
            self._client.set_registered_model_tag(name, TEST_SET_TAG, json.dumps(test_set))

    def locate(self, uri: str) -> str:
        """Return where the files of a model lie.

        Args:
            uri: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/m-...`` (of a run).

        Raises:
            ModelError: there is no such model, version or alias.
        """
        which = uri.removeprefix(SCHEME)
        with self._in_words(f"find {uri}"):
            if "@" in which:
                name, _, alias = which.rpartition("@")
                number = self._client.get_model_version_by_alias(name, alias).version
                return self._client.get_model_version_download_uri(name, str(number))
            name, _, number = which.rpartition("/")
            if name:
                return self._client.get_model_version_download_uri(name, number)
            return str(self._client.get_logged_model(which).artifact_location)

    def download(self, model: str, location: str, folder: Path) -> Path:
        """Return the folder into which the files at a location were written, below ``folder``.

        Raises:
            ModelError: they cannot be had.
        """
        with self._in_words(f"hand over {model}"):
            from mlflow.artifacts import download_artifacts

            found = download_artifacts(
                artifact_uri=location, dst_path=str(folder), tracking_uri=self.place.uri
            )
        return Path(found)

    def _aliases(self, name: str) -> dict[str, str]:
        held = self._client.get_registered_model(name).aliases
        return {alias: str(version) for alias, version in held.items()}

    def _make_name(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _logged_model(self, run_dir: Path) -> Any:
        """Return the logged model of a run directory, made if its run has none."""
        record = RunRecord.read(run_dir / RUN_FILE)
        runs = self._client.search_runs(
            [e.experiment_id for e in self._client.search_experiments()],
            f"tags.`{RUN_TAG}` = '{record.run_id}'",
            max_results=1,
        )
        if runs:
            experiment, run_id = runs[0].info.experiment_id, runs[0].info.run_id
        else:  # trained without tracking, or tracked elsewhere
            experiment, run_id = experiment_named(self._client, self.place, "registered"), None
        model_id = log_model(self._client, experiment, run_id, run_dir)
        if model_id is None:
            raise ModelError(f"{run_dir} has no checkpoints/best.ckpt to register.")
        return self._client.get_logged_model(model_id)

    @contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        """Turn what a store raises into one sentence."""
        try:
            yield
        except LitposeError:
            raise
        except Exception as error:  # whatever a store or its drivers raise
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            sentence = f"The store {self.place.uri} cannot {what}: {text}"
            raise ModelError(without_passwords(sentence)) from error


def _version_of(version: ModelVersion, aliases: dict[str, str]) -> RegisteredVersion:
    tags = version.tags
    return RegisteredVersion(
        name=version.name,
        version=int(version.version),
        aliases=tuple(sorted(a for a, v in aliases.items() if v == str(version.version))),
        mlflow_run=version.run_id or "",
        checkpoint_sha256=tags.get(DIGEST_TAG, ""),
        calibration_sha256=tags.get(CALIBRATION_TAG, ""),
        verdict=json.loads(tags.get(VERDICT_TAG, "{}")),
    )
