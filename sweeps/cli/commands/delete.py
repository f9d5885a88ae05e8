"""Command ``sweeps delete``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    NameArgument,
    StoreOption,
    TrackingOption,
    stored,
)
from sweeps.cli.terminal import ERR, print_line

__all__ = ["delete"]


def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Delete a sweep for good: its record, its folders under the home, and its runs in MLflow.

    MLflow hides the runs, and removes them by `mlflow gc`. What sweeps share, such as decoded
    images, stays.
    """
    from sweeps.execution import delete_sweep
    from sweeps.home import Home

    if not yes:
        _ask(name, home, store)
    error = delete_sweep(name, home=Home(path=home), store_url=store, tracking_uri=tracking_uri)
    print_line(f"{name} is deleted", style="bold")
    if error:
        ERR.print(f"MLflow has its runs still, to be deleted there: {error}")


def _ask(name: str, home: Path, store: str | None) -> None:
    """Let the user confirm, or end the command."""
    from objectives import InputError

    with stored(home, store) as opened:
        trials = len(opened.trials(name))
    if not sys.stdin.isatty():
        raise InputError("is needed where there is no terminal to ask at", field="yes")
    what = f"{name} for good, its {trials} trials with all their results and files"
    typer.confirm(f"Delete {what}?", abort=True, err=True)
