"""MLflow's own UI over a database, opened where the sweeps are."""

import sys
from pathlib import Path

from objectives import InputError
from sweeps.tracking import (
    EXPERIMENT,
    check_tracking_uri,
    is_server,
    open_client,
    quiet_mlflow,
)

__all__ = ["runs_page", "ui_command"]


def ui_command(tracking_uri: str, artifact_root: Path, host: str, port: int) -> list[str]:
    """Return the command that serves the UI, without telemetry.

    Raises:
        InputError: The URI is that of a server, which has a UI already, or of no back end.
    """
    check_tracking_uri(tracking_uri)
    if is_server(tracking_uri):
        raise InputError(f"--tracking-uri: {tracking_uri} is a server: open it in a browser")
    quiet_mlflow()
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", tracking_uri]
    command += ["--default-artifact-root", artifact_root.resolve().as_uri()]
    return [*command, "--host", host, "--port", str(port)]


def runs_page(tracking_uri: str, host: str, port: int) -> str:
    """Return the address of the page that lists the sweeps."""
    experiment = open_client(tracking_uri).get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return f"http://{host}:{port}/"
    # Without the type the UI opens on its pages for language models.
    page = f"experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    return f"http://{host}:{port}/#/{page}"
