"""Command ``sweeps run``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.options import (
    DEFAULT_HOME,
    AddressOption,
    CacheOption,
    HomeOption,
    JsonOption,
    StoreOption,
    TrackingOption,
)
from sweeps.cli.sweeping import carry_out

if TYPE_CHECKING:
    from sweeps.spec import SweepSpec

__all__ = ["run"]


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The sweep to carry out.")],
    home: HomeOption = DEFAULT_HOME,
    cache: CacheOption = None,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the sweep, instead of the spec's.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            "-o",
            help="Also write the knee's tuned margins to this file, unless noise explains them.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the sweep of that name where there is one, whose spec has to be the "
            "same but for a larger budget: so a job that is submitted again goes on.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Train nothing: check the spec, its data and backbones, and say what would be "
            "trained, on what, for how long and with how much memory.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Launch a sweep: train the trials of a spec, score them, and show the front.

    docs/spec.md explains every key of a spec; examples/ has some.
    """
    from sweeps.spec import load_spec, rename

    loaded = load_spec(spec) if name is None else rename(load_spec(spec), name)
    if export is not None:
        _check_export(loaded, export)
    if dry_run:
        _show_plan(loaded, home=home, cache=cache, address=address, as_json=as_json)
        return
    from sweeps.execution import run_sweep

    carry_out(
        partial(run_sweep, loaded, resume=resume),
        loaded.name,
        home=home,
        cache=cache,
        store=store,
        tracking_uri=tracking_uri,
        address=address,
        export=export,
        as_json=as_json,
    )


def _check_export(spec: "SweepSpec", export: Path) -> None:
    """Refuse, before anything is trained, what could not be written at the end."""
    from objectives import InputError
    from sweeps.files import check_output

    check_output(export, field="export")
    if spec.kind.export is None:
        raise InputError("the workload of this spec exports nothing", field="export")


def _show_plan(
    spec: "SweepSpec", *, home: Path, cache: Path | None, address: str | None, as_json: bool
) -> None:
    from sweeps.cli.plan_view import show_plan
    from sweeps.home import Home
    from sweeps.search import plan_sweep

    elsewhere = address not in (None, "", "local")
    plan = plan_sweep(spec, cache=cache or Home(path=home).cache, elsewhere=elsewhere)
    show_plan(plan, as_json=as_json)
