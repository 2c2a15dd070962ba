"""Passwords in URLs are neither recorded nor shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.config.load import write_run_config
from lightning_pose.config.schema import Config, TrackingConfig
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.tracking.run_tracker import flat
from lightning_pose.mlops.tracking.spool import Spool
from lightning_pose.mlops.tracking.store import RunStart, StorePlace
from tests.cli.conftest import litpose

URI = "http://ann:sec:r/et@127.0.0.1:1/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URI, "http://ann:***@127.0.0.1:1/x"),
        (f"a='{URI}' b=http://h:5000", "a='http://ann:***@127.0.0.1:1/x' b=http://h:5000"),
        ("postgresql://h/db?password=secret&x=1", "postgresql://h/db?password=***&x=1"),
        ("postgresql+psycopg://ann@h:5432/db", "postgresql+psycopg://ann@h:5432/db"),
        ("models:/mouse@champion", "models:/mouse@champion"),
    ],
)
def test_only_passwords_are_hidden(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


def test_the_files_of_a_run_hold_no_password(tmp_path: Path) -> None:
    override = f"tracking.uri='{URI}'"
    record = RunRecord(
        run_id="1", command=("litpose", override), overrides=(override,), tracking={"uri": URI}
    )
    text = record.write(tmp_path / "run.json").read_text()
    config = Config(tracking=TrackingConfig(uri=URI))
    text += write_run_config(config, tmp_path).read_text()
    text += str(flat({"tracking": {"uri": URI}}))
    assert text.count("***") == 5
    assert "sec:r" not in text


def test_a_spool_with_a_password_is_for_its_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    spool.begin(StorePlace(uri=URI, artifacts=""), RunStart(experiment="mice", name="first"))
    assert spool.path.stat().st_mode & 0o777 == 0o600


def test_a_hidden_password_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = "postgresql://ann:***@host/db"

    def chosen() -> str:
        return StorePlace.choose(uri=recorded, artifact_dir=None, cwd=tmp_path).uri

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert chosen() == "postgresql://ann@host/db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:secret@host/db")
    assert chosen() == "postgresql://ann:secret@host/db"


def test_a_store_that_fails_is_named_without_its_password() -> None:
    done = litpose("registry", "list", "--tracking-uri", URI)
    assert (done.code, "http://ann:***@127.0.0.1:1" in done.sentences) == (1, True)
    assert "sec:r" not in done.err
