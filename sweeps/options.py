"""The options that several commands share."""

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = [
    "DEFAULT_HOME",
    "HomeOption",
    "JsonOption",
    "NameArgument",
    "StoreOption",
    "TrackingOption",
]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the sweep.")]
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="SWEEPS_HOME", help="Folder of everything that sweeps write."),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="SWEEPS_STORE",
        metavar="URL",
        help="SQLAlchemy URL of the store, such as postgresql://user@host/db. "
        "Default: SQLite under the home.",
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        metavar="URI",
        help="MLflow server, such as http://host:5000. Default: SQLite under the home.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DEFAULT_HOME: Final = Path(".sweeps")
