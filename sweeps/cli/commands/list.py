"""Command ``sweeps list``."""

from collections import Counter
from typing import Annotated

import typer

from sweeps.cli.options import DEFAULT_HOME, HomeOption, JsonOption, StoreOption, stored
from sweeps.cli.terminal import OUT, print_json

__all__ = ["list_sweeps"]


def list_sweeps(
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    every_sweep: Annotated[bool, typer.Option("--all", help="List archived sweeps too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the sweeps in the store, without those that are archived."""
    from sweeps.cli.tables import sweeps_table
    from sweeps.results import sweep_document

    with stored(home, store) as opened:
        rows = [
            (sweep, Counter(trial.state.value for trial in opened.trials(sweep.name)))
            for sweep in opened.sweeps()
            if every_sweep or sweep.archived_at is None
        ]
    if as_json:
        print_json([sweep_document(*row) for row in rows])
    else:
        OUT.print(sweeps_table(rows))
