"""Command ``sweeps status``."""

from sweeps.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    StoreOption,
    stored,
)
from sweeps.cli.terminal import OUT, print_json

__all__ = ["status"]


def status(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where each trial of a sweep stands, and why one failed."""
    from sweeps.cli.tables import status_table
    from sweeps.results import status_document

    with stored(home, store) as opened:
        found = opened.sweep(name), opened.trials(name), opened.measurements(name)
    if as_json:
        print_json(status_document(*found))
    else:
        OUT.print(status_table(*found))
