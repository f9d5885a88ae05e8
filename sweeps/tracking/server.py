"""Server of MLflow's own UI over a database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from objectives import InputError
from sweeps.store import redacted
from sweeps.tracking.client import (
    check_tracking_uri,
    is_server,
    open_client,
    quiet_mlflow,
    said_by,
)
from sweeps.tracking.mirror import EXPERIMENT

__all__ = ["answers", "check_port", "runs_page", "serve", "ui_command", "ui_environment"]

_START_SECONDS: Final = 120.0


def ui_command(tracking_uri: str, artifact_root: Path, host: str, port: int) -> list[str]:
    """Return the command that serves the UI, without telemetry.

    It names no database: what that is, with its password, goes by the environment
    (`ui_environment`), for commands are there for all to read.

    Raises:
        InputError: The URI is that of a server, which has a UI already, or of no back end.
    """
    check_tracking_uri(tracking_uri)
    if is_server(tracking_uri):
        shown = redacted(tracking_uri)
        raise InputError(f"{shown} is a server: open it in a browser", field="tracking_uri")
    quiet_mlflow()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--default-artifact-root", artifact_root.resolve().as_uri()]
    return [*command, "--host", host, "--port", str(port)]


def ui_environment(tracking_uri: str) -> dict[str, str]:
    """Return what the environment tells the UI: the database that it shows."""
    return {"MLFLOW_BACKEND_STORE_URI": tracking_uri}


def runs_page(tracking_uri: str, host: str, port: int) -> str:
    """Return the address of the page that lists the sweeps.

    Raises:
        InputError: The database cannot be opened.
    """
    try:
        experiment = open_client(tracking_uri).get_experiment_by_name(EXPERIMENT)
    except Exception as error:  # MLflow's own, SQLAlchemy's, the driver's
        raise InputError(
            f"MLflow cannot be opened: {said_by(error)}", field="tracking_uri"
        ) from error
    if experiment is None:
        return f"http://{host}:{port}/"
    # Without the type the UI opens on its pages for language models.
    page = f"experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    return f"http://{host}:{port}/#/{page}"


def check_port(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on.

    Raises:
        InputError: It is in use, or not of this machine.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError, UnicodeError) as error:  # the last of a host that is no name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {host}:{port} ({reason})", field="port") from None


def answers(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def serve(
    command: list[str],
    log: Path,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    ready: Callable[[], bool],
    up: Callable[[], None],
) -> int:
    """Run a server until it ends, or until Ctrl-C or SIGTERM, and leave nothing of it running.

    Args:
        command: What to run.
        log: Where all that it prints goes.
        environment: Variables that it has beside those of this process.
        ready: Whether it answers.
        up: Called once, when it does.

    Returns:
        Its exit code; 0 where the user ended it.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for this process, which then ends the whole group.
        server = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            give_up = time.monotonic() + _START_SECONDS
            while server.poll() is None and not ready() and time.monotonic() < give_up:
                time.sleep(0.2)
            if server.poll() is None:
                up()
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _end_group(server)
            signal.signal(signal.SIGTERM, before)


def _end_group(server: "subprocess.Popen[bytes]") -> None:
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, request)
            server.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
