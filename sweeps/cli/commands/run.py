"""Command ``sweeps run``."""

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.options import (
    DEFAULT_HOME,
    CacheOption,
    HomeOption,
    JsonOption,
    StoreOption,
    TrackingOption,
)
from sweeps.cli.terminal import ERR, OUT, print_json, print_line

__all__ = ["run"]


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The sweep to carry out.")],
    home: HomeOption = DEFAULT_HOME,
    cache: CacheOption = None,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            help="Address of a Ray cluster. Default: a local Ray for the length of the run.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the sweep, instead of the spec's.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", "-o", help="Also write the knee's tuned margins to this file."),
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
    from objectives import InputError
    from sweeps.files import check_output
    from sweeps.home import Home
    from sweeps.spec import load_spec, rename

    loaded = load_spec(spec) if name is None else rename(load_spec(spec), name)
    if export is not None:
        check_output(export, field="export")
        if loaded.kind.export is None:
            raise InputError("the workload of this spec exports nothing", field="export")
    if dry_run:
        from sweeps.cli.plan_view import show_plan
        from sweeps.search import plan_sweep

        folder = cache or Home(path=home).cache
        show_plan(plan_sweep(loaded, cache=folder, elsewhere=bool(address)), as_json=as_json)
        return
    from sweeps.cli.exports import export_trial
    from sweeps.cli.hints import command_line, ui_hint
    from sweeps.cli.live_view import LiveView
    from sweeps.cli.output import show_finished
    from sweeps.execution import run_sweep
    from sweeps.results import KNEE, front_document
    from sweeps.store import open_store

    where = Home(path=home)
    # With --json, what is for people goes to the other stream.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        try:
            with LiveView(OUT) as view:
                finished = run_sweep(
                    loaded,
                    home=where,
                    store_url=store,
                    tracking_uri=tracking_uri,
                    address=address,
                    cache=cache,
                    callbacks=[view],
                )
        except KeyboardInterrupt:
            command = command_line("status", loaded.name, home=home)
            ERR.print(f"what had finished is kept; see it with: {command}")
            raise
        show_finished(finished)
        if export is not None and finished.ranked.front:
            with open_store(store or where.store_url) as opened:
                export_trial(opened, loaded.name, export, pick=KNEE)
        print_line(f"\nBrowse it in MLflow:  {ui_hint(home, tracking_uri)}", style="bold")
    if as_json:
        print_json(front_document(finished.ranked))
    if not finished.ranked.trials:
        ERR.print("error: no trial completed; `sweeps status` says why")
        raise typer.Exit(1)
