"""Tracking: the store mirrored to MLflow, and MLflow's UI over the mirror."""

from sweeps.tracking.client import check_tracking_uri, is_server, said_by
from sweeps.tracking.mirror import EXPERIMENT, MlflowMirror
from sweeps.tracking.mirror_thread import MirrorThread
from sweeps.tracking.server import (
    answers,
    check_port,
    runs_page,
    serve,
    ui_command,
    ui_environment,
)

__all__ = [
    "EXPERIMENT",
    "MirrorThread",
    "MlflowMirror",
    "answers",
    "check_port",
    "check_tracking_uri",
    "is_server",
    "runs_page",
    "said_by",
    "serve",
    "ui_command",
    "ui_environment",
]
