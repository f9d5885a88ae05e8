"""Command ``sweeps front``."""

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    StoreOption,
    stored,
)
from sweeps.cli.terminal import print_json

__all__ = ["front"]


def front(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    every_trial: Annotated[
        bool, typer.Option("--all", help="Show dominated trials too, by rank.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder for front.json, .csv, .html and .png."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the accuracy-consistency front of a sweep."""
    from objectives import InputError
    from sweeps.cli.output import show_front
    from sweeps.results import front_document, ranked_trials, write_front

    with stored(home, store) as opened:
        ranked = ranked_trials(opened, name)
    if output is not None:
        try:
            write_front(ranked, output)
        except OSError as error:
            raise InputError(
                f"{output} cannot be written ({error.strerror})", field="output"
            ) from None
    if as_json:
        print_json(front_document(ranked))
    else:
        show_front(ranked, every_trial=every_trial)
