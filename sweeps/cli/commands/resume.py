"""Command ``sweeps resume``."""

from functools import partial
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
from sweeps.cli.sweeping import carry_out

__all__ = ["resume"]


def resume(
    name: NameArgument,
    trials: Annotated[
        str | None,
        typer.Option(metavar="+N", help="Extend the sweep by so many sampled trials, such as +20."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    cache: CacheOption = None,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a sweep that was stopped or died, as if it never had been; or extend one.

    Runs that were under way go on from their checkpoints; what has ended is not run again.
    """
    from sweeps.execution import resume_sweep

    carry_out(
        partial(resume_sweep, name, more_trials=_more(trials)),
        name,
        home=home,
        cache=cache,
        store=store,
        tracking_uri=tracking_uri,
        address=address,
        as_json=as_json,
    )


def _more(trials: str | None) -> int:
    from objectives import InputError

    if trials is None:
        return 0
    number = trials.removeprefix("+")
    if (
        number == trials
        or not (number.isascii() and number.isdigit())
        or not 0 < int(number) < 10**6
    ):
        raise InputError(f"takes how many more, such as +20, not {trials!r}", field="trials")
    return int(number)
