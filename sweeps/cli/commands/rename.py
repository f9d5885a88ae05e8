"""Command ``sweeps rename``."""

from typing import Annotated

import typer

from sweeps.cli.options import DEFAULT_HOME, HomeOption, StoreOption, TrackingOption
from sweeps.cli.terminal import print_line

__all__ = ["rename"]


def rename(
    name: Annotated[str, typer.Argument(metavar="OLD", help="Name of the sweep.")],
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="What it is to be called.")],
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Give a sweep another name: in the store, in the home and in MLflow.

    In MLflow the parameter `name` stays, for it never changes one.
    """
    from sweeps.cli.output import show_mirror_error
    from sweeps.execution import rename_sweep
    from sweeps.home import Home

    error = rename_sweep(
        name, new_name, home=Home(path=home), store_url=store, tracking_uri=tracking_uri
    )
    print_line(f"{name} is called {new_name} now", style="bold")
    show_mirror_error(new_name, error)
