"""Command ``sweeps run``."""

import sys
from contextlib import nullcontext, redirect_stdout
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
    stored,
)
from sweeps.cli.terminal import ERR, OUT, print_json, print_line

if TYPE_CHECKING:
    from sweeps.execution import FinishedSweep  # imports Ray
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
    # With --json, what is for people goes to the other stream.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        finished = _carry_out(
            loaded, home=home, cache=cache, store=store, tracking_uri=tracking_uri, address=address
        )
        _show_finished(finished, home=home, store=store, tracking_uri=tracking_uri, export=export)
    _end(finished, as_json=as_json)


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


def _carry_out(
    spec: "SweepSpec",
    *,
    home: Path,
    cache: Path | None,
    store: str | None,
    tracking_uri: str | None,
    address: str | None,
) -> "FinishedSweep":
    """Run the sweep under a live view; where it is interrupted, say what is kept."""
    from sweeps.cli.hints import command_line
    from sweeps.cli.live_view import LiveView
    from sweeps.execution import run_sweep
    from sweeps.home import Home

    view = LiveView(OUT)
    try:
        with view:
            return run_sweep(
                spec,
                home=Home(path=home),
                store_url=store,
                tracking_uri=tracking_uri,
                address=address,
                cache=cache,
                callbacks=[view],
            )
    except KeyboardInterrupt:
        command = command_line("status", spec.name, home=home)
        started = f"what had finished is kept; see it with: {command}"
        before = "what was decoded is kept; the same command goes on from there"
        ERR.print(started if view.started else before)
        raise


def _show_finished(
    finished: "FinishedSweep",
    *,
    home: Path,
    store: str | None,
    tracking_uri: str | None,
    export: Path | None,
) -> None:
    """Show the front, export its knee, and say where to browse."""
    from sweeps.cli.exports import export_finished
    from sweeps.cli.hints import ui_hint
    from sweeps.cli.output import show_finished
    from sweeps.home import Home

    show_finished(finished)
    if export is not None and finished.ranked.front:
        with stored(home, store) as opened:
            export_finished(opened, finished.ranked, export, home=Home(path=home))
    print_line(f"\nBrowse it in MLflow:  {ui_hint(home, tracking_uri)}", style="bold")


def _end(finished: "FinishedSweep", *, as_json: bool) -> None:
    """Print the JSON that is asked for, and fail where no trial completed."""
    from sweeps.results import front_document

    if as_json:
        print_json(front_document(finished.ranked))
    if not finished.ranked.trials:
        ERR.print("error: no trial completed; `sweeps status` says why")
        raise typer.Exit(1)
