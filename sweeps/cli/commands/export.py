"""Command ``sweeps export``."""

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.options import DEFAULT_HOME, HomeOption, NameArgument, StoreOption, stored

__all__ = ["export"]


def export(
    name: NameArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="The YAML file to write.")],
    pick: Annotated[
        str,
        typer.Option(
            help="Which trial: the front's knee (best compromise), its best of one objective, by "
            "name or aspect (recall, consistency), or any completed one by its number."
        ),
    ] = "knee",
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
) -> None:
    """Export tuned margins; `trainer.load_tuned_margins(FILE)` makes a loss of them."""
    from sweeps.cli.exports import export_trial

    with stored(home, store) as opened:
        export_trial(opened, name, output, pick=pick)
