"""The database of reviews: which mongod is taken, and what is said where there is none."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lightning_pose.cli.doctor import health
from lightning_pose.cli.doctor.finding import LIMITED, OK
from lightning_pose.cli.look import reviewing
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.mlops.review import database
from lightning_pose.mlops.review.app import check_port
from lightning_pose.mlops.review.carrying import Lost, restore_dataset, take_over
from lightning_pose.mlops.review.database import CURE, URI, fiftyone_of, find_mongod
from lightning_pose.mlops.review.dataset import ABOUT, FORMAT, MARK, find_ours
from lightning_pose.mlops.review.documents import Marks

GOOD = "#!/bin/sh\necho 'db version v6.0.5'\n"
OLD = "#!/bin/sh\necho 'db version v4.4.1'\n"
SLOW = """#!/bin/sh
case "$1" in --version) echo 'db version v6.0.5'; exit 0;; esac
echo $$ > pid
exec sleep 60
"""
BROKEN = "#!/bin/sh\necho 'libcrypto.so.1.1: cannot open shared object file' >&2\nexit 127\n"
STOPS = """#!/bin/sh
case "$1" in --version) echo 'db version v6.0.5'; exit 0;; esac
while [ "$1" != --logpath ]; do shift; done
echo '{"s":"I","msg":"starting"}' > "$2"
echo '{"s":"E","msg":"WiredTiger error","attr":{"error":"No space left on device"}}' >> "$2"
exit 14
"""


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be no mongod but the one a test makes, and no database named."""
    monkeypatch.delenv(URI, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(database, "_opened", {})
    found = importlib.util.find_spec

    def without_its_own(name: str, package: str | None = None) -> object:
        spec = found(name, package)
        if name == "fiftyone" and spec is not None:
            spec.origin = str(tmp_path / "fiftyone" / "__init__.py")
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", without_its_own)
    if shutil.which("mongod"):
        pytest.skip("a mongod is installed in /usr/bin")


def mongod(folder: Path, text: str) -> Path:
    """Make a program that says what a mongod says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mongod"
    path.write_text(text)
    path.chmod(0o755)
    return path


def refused(project: Path) -> str:
    with pytest.raises(DataError) as error:
        fiftyone_of(project)
    text = str(error.value)
    assert "`litpose report RUN...` shows the runs without it" in text
    return text


def test_fiftyones_own_mongod_is_taken_before_one_on_the_path(tmp_path: Path) -> None:
    on_path = mongod(tmp_path / "bin", GOOD)
    assert find_mongod().path == on_path  # type: ignore[union-attr]
    own = mongod(tmp_path / "fiftyone" / "db" / "bin", GOOD)
    assert find_mongod().path == own  # type: ignore[union-attr]


def test_one_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    mongod(tmp_path / "fiftyone" / "db" / "bin", BROKEN)
    assert "libcrypto" in find_mongod().problem  # type: ignore[union-attr]
    on_path = mongod(tmp_path / "bin", GOOD)
    assert find_mongod().path == on_path  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "why"), [(OLD, "4.4.1 is older than 6.0"), (BROKEN, "libcrypto")]
)
def test_doctor_names_the_cure_of_a_mongod_that_cannot_be_used(
    tmp_path: Path, text: str, why: str
) -> None:
    mongod(tmp_path / "bin", text)
    found = health._fiftyone(tmp_path)
    assert (found.state, found.cure) == (LIMITED, CURE)
    assert why in found.detail
    assert why in refused(tmp_path)


def test_doctor_names_the_mongod_and_the_folder_of_the_project(tmp_path: Path) -> None:
    assert health._fiftyone(tmp_path).cure == CURE
    path = mongod(tmp_path / "bin", GOOD)
    found = health._fiftyone(tmp_path)
    assert (found.state, found.cure) == (OK, "")
    assert f"{path} 6.0.5" in found.detail


def test_without_a_mongod_the_report_is_named(tmp_path: Path) -> None:
    assert f"(no mongod): {CURE}" in refused(tmp_path)


def test_a_mongod_that_stops_is_told_with_its_last_words(tmp_path: Path) -> None:
    mongod(tmp_path / "bin", STOPS)
    assert "(WiredTiger error: No space left on device)" in refused(tmp_path)


def test_a_mongod_that_is_interrupted_as_it_starts_does_not_live_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongod(tmp_path / "bin", SLOW)
    monkeypatch.chdir(tmp_path)

    def interrupt(_: float) -> None:
        if (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(database.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fiftyone_of(tmp_path)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_without_fiftyone_the_report_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    assert "pip install fiftyone" in refused(tmp_path)


def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PING_S", 0.2)
    monkeypatch.setenv(URI, "mongodb://ann:secret@127.0.0.1:9/")
    text = refused(tmp_path)
    assert "does not answer at mongodb://ann:***@127.0.0.1:9/" in text
    assert health._fiftyone(tmp_path).state == LIMITED


def test_a_taken_port_is_named_with_another() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DataError, match=f"127.0.0.1:{port} .*--port {port + 1}"):
            check_port("127.0.0.1", port)


@pytest.mark.parametrize(("media", "clips"), [("video", False), ("image", True)])
def test_clips_and_pictures_do_not_take_each_others_names(media: str, clips: bool) -> None:
    there = SimpleNamespace(info={ABOUT: {MARK: FORMAT}}, media_type=media)
    fo = SimpleNamespace(dataset_exists=lambda _: True, load_dataset=lambda _: there)
    with pytest.raises(DataError, match="'mouse' is a review of"):
        find_ours(fo, "mouse", clips=clips)
    assert find_ours(fo, "mouse", clips=not clips) is there
    assert find_ours(fo, "mouse", clips=None) is there


def test_a_name_taken_by_a_build_that_was_killed_is_given_back() -> None:
    stored = {"mouse (before)": SimpleNamespace(name="mouse (before)")}
    fo = SimpleNamespace(dataset_exists=stored.__contains__, load_dataset=stored.__getitem__)
    restore_dataset(fo, "mouse")
    assert stored["mouse (before)"].name == "mouse"
    stored |= {"rat (before)": SimpleNamespace(name="rat (before)"), "rat": SimpleNamespace()}
    restore_dataset(fo, "rat")
    assert stored["rat (before)"].name == "rat (before)"


class Stored:
    """Data sets by their names, as FiftyOne keeps them, with tags and views of people."""

    def __init__(self, *names: str, views: tuple[str, ...] = ()) -> None:
        self.all = [SimpleNamespace(name=name, delete=None) for name in names]
        for one in self.all:
            one.delete = functools.partial(self.all.remove, one)
            one.info = {ABOUT: {MARK: FORMAT}}
            one.list_saved_views = lambda: list(views)
            one.load_saved_view = lambda name: SimpleNamespace(_serialize=lambda **_: [name])
        self.DatasetView = SimpleNamespace(_build=self._build)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.all]

    def list_datasets(self) -> list[str]:
        return self.names

    def dataset_exists(self, name: str) -> bool:
        return name in self.names

    def load_dataset(self, name: str) -> SimpleNamespace:
        return self.all[self.names.index(name)]

    @staticmethod
    def _build(_: object, stages: list[str]) -> None:
        raise ValueError(f"{stages[0]} is of a field that is not there")


@pytest.mark.parametrize(
    ("shown", "views", "lost", "stays"),
    [
        ({"a.png": Marks(tags=("swap",)), "b.png": Marks(tags=("x",))}, (), Lost(), []),
        ({"a.png": Marks()}, (), Lost(pictures=("a.png",), former="mouse-former"), ["former"]),
        ({}, (), Lost(pictures=("a.png",), former="mouse-former"), ["former"]),
        (
            {"a.png": Marks(tags=("swap",))},
            ("of B",),
            Lost(views=("of B",), former="mouse-former"),
            ["former"],
        ),
    ],
)
def test_a_review_is_replaced_only_if_nothing_of_people_is_lost(
    shown: dict[str, Marks], views: tuple[str, ...], lost: Lost, stays: list[str]
) -> None:
    fo = Stored("mouse", "mouse (being built)", views=(*views, "ours"))
    old, new = fo.all
    marks = {("a.png", ""): Marks(tags=("swap",))}
    after = {(image, ""): one for image, one in shown.items()}
    assert take_over(fo, old, new, "mouse", marks=(marks, after), ours={"ours"}) == lost
    assert sorted(fo.names) == sorted(["mouse", *(f"mouse-{one}" for one in stays)])
    assert (new.name, new.persistent) == ("mouse", True)
    told = reviewing._kept_apart(lost) if stays else ""
    assert all(one in told for one in (*lost.pictures, *lost.views, lost.former))


def test_a_review_whose_build_was_killed_is_opened_all_the_same() -> None:
    fo = Stored("mouse (before)", "rat (being built)")
    assert reviewing._existing(fo, "mouse", clips=None) is fo.all[0]
    assert fo.names == ["mouse", "rat (being built)"]
    with pytest.raises(DataError, match=r"no review 'rat' .*\(there are: mouse\)"):
        reviewing._existing(fo, "rat")


@pytest.mark.parametrize("port", [0, -4, 99999999])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"--port should be from 1 to 65535, not {port}"):
        check_port("127.0.0.1", port)


@pytest.mark.parametrize("address", ["mongodb://127.0.0.1:99999999", "nonsense"])
def test_what_is_no_address_of_a_database_does_not_answer(address: str) -> None:
    assert not database.database_answers(address)
