"""The review app: FiftyOne's, on this machine alone."""

from __future__ import annotations

import importlib
import socket
from typing import Any

from lightning_pose.contracts.errors import ConfigError, DataError

HERE = "127.0.0.1"


def check_port(address: str, port: int) -> None:
    """Raise DataError if something listens on a port already, ConfigError if it is no port."""
    if not 0 < port < 65536:
        raise ConfigError(f"--port should be from 1 to 65535, not {port}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise DataError(
                f"The review app cannot listen on {address}:{port} ({error.strerror}): another "
                f"program may have it; choose another with --port {port + 1}."
            ) from error


def serve(fo: Any, dataset: Any, *, address: str = HERE, port: int = 5151, remote: bool) -> Any:
    """Start the app; return its session, whose ``wait(-1)`` holds it open.

    Args:
        fo: the module ``fiftyone``, connected.
        dataset: to show.
        address: to listen on.
        port: likewise.
        remote: do not open a browser here.

    Raises:
        DataError: the port is taken, or the app does not answer within a minute.
    """
    check_port(address, port)
    failed = importlib.import_module("fiftyone.core.service").ServiceException
    try:
        return fo.launch_app(dataset, address=address, port=port, remote=remote, auto=not remote)
    except failed as error:
        raise DataError(
            f"The review app did not answer on {address}:{port} within a minute; try again when "
            "the machine is less busy."
        ) from error
