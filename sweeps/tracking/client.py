"""Client of MLflow, a quiet one, and the back ends that it reaches.

mlflow is imported late, for that takes seconds.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

from objectives import InputError
from sweeps.store import is_database_url, redacted

__all__ = [
    "check_tracking_uri",
    "is_server",
    "missing_file",
    "open_client",
    "quiet_mlflow",
    "said_by",
]

# Set before mlflow is imported, unless the user has set them. No telemetry, no chatter on the
# terminal, and no long retries: the mirror comes back by itself.
_ENVIRONMENT: Final = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
# MLflow's folders of files are not among them: it refuses those by default.
_BACK_ENDS: Final = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")


def quiet_mlflow() -> None:
    """Set the environment that mlflow reads when it is imported or started."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def is_server(tracking_uri: str) -> bool:
    """Whether the URI is that of a server, and not of a database."""
    return tracking_uri.startswith(("http://", "https://", "databricks"))


def check_tracking_uri(tracking_uri: str) -> None:
    """Refuse what can never be reached; a server may yet come up while a sweep runs.

    Raises:
        InputError: MLflow keeps runs in no back end of that kind, or it is no URL.
    """
    shown = f"tracking_uri (MLFLOW_TRACKING_URI): {redacted(tracking_uri)!r}"
    scheme = tracking_uri.partition("://")[0].partition("+")[0]
    if scheme not in _BACK_ENDS:
        known = ", ".join(f"{name}://" for name in _BACK_ENDS)
        raise InputError(f"{shown} must begin with one of {known}", field=["tracking_uri"])
    # Libraries that cannot read one say what of it, which may be of the password.
    if not (_is_url if is_server(tracking_uri) else is_database_url)(tracking_uri):
        raise InputError(f"{shown} is not a URL such as http://host:5000", field=["tracking_uri"])


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False


def open_client(tracking_uri: str) -> Any:
    """Return an MlflowClient; imports mlflow."""
    quiet_mlflow()
    from mlflow import MlflowClient

    if (file := missing_file(tracking_uri)) is not None:
        _make_database(file)
    return MlflowClient(tracking_uri=tracking_uri)


def said_by(error: Exception) -> str:
    """Return what MLflow, its database or the network says, in a line, without passwords."""
    return redacted(str(error)).strip().partition("\n")[0] or type(error).__name__


def missing_file(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite database that is not there yet; None of any other back end."""
    scheme, separator, path = tracking_uri.partition(":///")
    file = Path(path.partition("?")[0])
    return file if separator and scheme == "sqlite" and not file.exists() else None


def _make_database(path: Path) -> None:
    """Make MLflow's file whole, or not at all.

    It builds its tables in steps that SQLite does not undo: of a process that is killed meanwhile a
    file would be left that can never be opened.
    """
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / path.name
        client = MlflowClient(tracking_uri=f"sqlite:///{made}")
        client._tracking_client.store.engine.dispose()
        if not path.exists():  # by another process, by now
            made.replace(path)
