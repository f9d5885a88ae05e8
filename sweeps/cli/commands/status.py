"""Command ``sweeps status``."""

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
from sweeps.cli.terminal import OUT, print_json, print_line

__all__ = ["status"]


def status(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    failures: Annotated[
        bool,
        typer.Option(
            "--failures",
            help="Show each attempt at a run that failed or was lost, with the stack of an error.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where each trial of a sweep stands, and why one failed."""
    from sweeps.cli.tables import failure_lines, status_table
    from sweeps.results import failures_document, status_document

    with stored(home, store) as opened:
        found = opened.sweep(name), opened.trials(name), opened.measurements(name)
        attempts = opened.attempts(name)
    if as_json:
        print_json(failures_document(attempts) if failures else status_document(*found))
    elif failures:
        for line in [*failure_lines(attempts)] or [f"{name}: no run failed, and none was lost"]:
            print_line(line)
    else:
        OUT.print(status_table(*found))
