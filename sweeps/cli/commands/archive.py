"""Command ``sweeps archive``."""

from typing import Annotated

import typer

from sweeps.cli.options import DEFAULT_HOME, HomeOption, NameArgument, StoreOption
from sweeps.cli.terminal import print_line

__all__ = ["archive"]


def archive(
    name: NameArgument,
    undo: Annotated[bool, typer.Option("--undo", help="List it again.")] = False,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
) -> None:
    """Leave a sweep out of `sweeps list`, but for `sweeps list --all`; all else is as it was."""
    from sweeps.execution import archive_sweep
    from sweeps.home import Home

    archive_sweep(name, undo=undo, home=Home(path=home), store_url=store)
    print_line(f"{name} is listed again" if undo else f"{name} is archived", style="bold")
