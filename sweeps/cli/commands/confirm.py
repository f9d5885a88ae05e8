"""Command ``sweeps confirm``."""

import sys
from contextlib import nullcontext, redirect_stdout
from typing import Annotated

import typer

from sweeps.cli.options import (
    DEFAULT_HOME,
    AddressOption,
    CacheOption,
    HomeOption,
    JsonOption,
    NameArgument,
    StoreOption,
    TrackingOption,
)
from sweeps.cli.terminal import ERR, OUT, print_json

__all__ = ["confirm"]


def confirm(
    name: NameArgument,
    pick: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICK",
            help="What to confirm, as in `sweeps export`; may be given several times. Default: the "
            "knee and the best of each objective.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="Fresh seeds of each.")] = 5,
    again: Annotated[
        bool,
        typer.Option("--again", help="Score test classes once more that were scored before."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    cache: CacheOption = None,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Confirm picks: train them again, with controls and defaults, and score the test classes once.

    Each is trained on the classes of train and validation together, under the same fresh seeds.
    """
    from sweeps.cli.live_view import LiveView
    from sweeps.cli.output import show_confirmed
    from sweeps.execution import confirm_sweep
    from sweeps.home import Home
    from sweeps.results import front_document

    # With --json, what is for people goes to the other stream.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), LiveView(OUT) as view:
        confirmed = confirm_sweep(
            name,
            pick=pick or (),
            seeds=seeds,
            again=again,
            home=Home(path=home),
            store_url=store,
            tracking_uri=tracking_uri,
            address=address,
            cache=cache,
            callbacks=[view],
        )
    if as_json:
        print_json(front_document(confirmed.ranked))
    else:
        show_confirmed(confirmed)
    if not any(number in confirmed.ranked.confirmed for number in confirmed.numbers):
        ERR.print("error: no pick and its control completed; `sweeps status` says why")
        raise typer.Exit(1)
