"""Serving the app from the command line."""

from __future__ import annotations

import argparse
import json
import socket
from pathlib import Path

from lightning_pose.cli.look import app_script
from lightning_pose.cli.look.reading_runs import read_runs
from lightning_pose.cli.terminal import say
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.skeleton import edges_of

ADDRESS = "127.0.0.1"
SETTINGS = {
    "server_address": ADDRESS,
    "server_headless": True,
    "server_fileWatcherType": "none",
    "server_showEmailPrompt": False,
    "browser_gatherUsageStats": False,
    "browser_serverAddress": ADDRESS,
    "client_toolbarMode": "minimal",
}


def serve(args: argparse.Namespace) -> int:
    """Serve the app on this machine alone until it is interrupted; return 0.

    Raises:
        LitposeError: a run cannot be read, or the port is taken.
    """
    runs = read_runs(args.runs, args.videos)
    edges = edges_of(runs, args.edge)
    check_port_free(args.port)
    from streamlit.web import bootstrap

    settings = {**SETTINGS, "server_port": args.port}
    bootstrap.load_config_options(flag_options=settings)
    say(f"app: http://{ADDRESS}:{args.port} (Ctrl-C ends it)")
    words = {
        "runs": [str(path.resolve()) for path in args.runs],
        "videos": [str(path.resolve()) for path in args.videos],
        "edges": edges,
    }
    bootstrap.run(str(Path(app_script.__file__)), False, [json.dumps(words)], settings)
    return 0


def check_port_free(port: int) -> None:
    """Check that the app can listen.

    Raises:
        ConfigError: something else does, or it is no port.
    """
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Port {port} of this machine is taken or not allowed. Choose another: "
                f"litpose app RUN --port {port + 1 if port < 65535 else 8501}"
            ) from error
