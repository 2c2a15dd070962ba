"""What every test gets: checked shapes and types, a home and folder of its own, no network.

Tests are run from any folder, in any order and side by side; none may write into the checkout.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

CHECKOUT = Path(__file__).resolve().parents[1]
RUN_TIME_NAMES = ("outputs", "multirun", "lightning_logs", "mlflow.db", "optuna.db", "demo")

# Before anything of ours or of torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
install_import_hook("lightning_pose", "beartype.beartype")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell put aside
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is none, and ``long`` ones unless asked for."""
    if not os.environ.get("LITPOSE_LONG_TESTS"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes long; set LITPOSE_LONG_TESTS=1"))
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items or _has_cuda():
        return
    for item in gpu_items:
        item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the top folder of the repository."""
    return CHECKOUT


@pytest.fixture(scope="session")
def example_data() -> Path:
    """Return the folder that holds ``mirror-mouse-example``; skip the test where it is missing.

    The variable LITPOSE_EXAMPLE_DATA names it; the default is ``../shared/data``.
    """
    named = os.environ.get("LITPOSE_EXAMPLE_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not (folder / "mirror-mouse-example" / "CollectedData.csv").is_file():
        pytest.skip(f"the example recordings are not in {folder} (LITPOSE_EXAMPLE_DATA)")
    return folder.resolve()


@pytest.fixture(scope="session", autouse=True)
def _home_of_its_own() -> Iterator[None]:
    """Give the session an empty home, so that no test sees or fills the user's caches."""
    with (
        tempfile.TemporaryDirectory(prefix="litpose-home-") as home,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("HOME", home)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(Path(home) / name.lower()))
        for name in ("TORCH_HOME", "HF_HOME", "MPLCONFIGDIR", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _checkout_stays_as_it_is() -> Iterator[None]:
    """Fail the session if a test left a run, a store or a log at the top of the checkout."""
    before = _run_time_files()
    yield
    new = sorted(str(path) for path in _run_time_files() - before)
    if new:
        pytest.fail(f"tests wrote into the checkout: {', '.join(new)}")


def _run_time_files() -> set[Path]:
    files = {CHECKOUT / name for name in RUN_TIME_NAMES if (CHECKOUT / name).exists()}
    return files | set((CHECKOUT / "mlruns").glob("[!.]*"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine; sub-processes find a dead proxy."""
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", _local_only(connect))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "localhost,127.0.0.1,::1")


def _local_only(connect: Callable[..., None]) -> Callable[..., None]:
    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in ("localhost", "127.0.0.1", "::1"):
            raise OSError(f"tests have no network: connection to {address} refused")
        return connect(self, address)

    return guarded
