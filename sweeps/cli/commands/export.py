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
    floor: Annotated[
        float | None,
        typer.Option(
            "--recall-floor",
            metavar="X",
            help="Least value of the objective that is to be maximised; by default what the best "
            "control has, less half of its 95 % interval.",
        ),
    ] = None,
    ceiling: Annotated[
        float | None,
        typer.Option(
            "--opis-ceiling",
            metavar="X",
            help="Greatest value of the objective that is to be minimised.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Export what noise explains, too; the file says so under `unproven`."
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
) -> None:
    """Export tuned margins; `trainer.load_tuned_margins(FILE)` makes a loss of them."""
    from sweeps.cli.exports import export_trial, pick_limits
    from sweeps.home import Home

    with stored(home, store) as opened:
        limits = pick_limits(opened, name, floor=floor, ceiling=ceiling)
        where = Home(path=home)
        export_trial(opened, name, output, home=where, pick=pick, limits=limits, force=force)
