"""Sweeps carried out under a live view, for the commands that do."""

import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sweeps.cli.options import stored
from sweeps.cli.terminal import ERR, OUT, print_json, print_line

if TYPE_CHECKING:
    from sweeps.execution import FinishedSweep  # imports Ray

__all__ = ["carry_out"]


def carry_out(
    sweep: "Callable[..., FinishedSweep]",
    name: str,
    *,
    home: Path,
    store: str | None,
    tracking_uri: str | None,
    export: Path | None = None,
    as_json: bool,
    **places: Any,
) -> None:
    """Carry out a sweep under a live view, and show, or print as JSON, what came of it.

    Args:
        sweep: Such as `sweeps.run_sweep`.
        name: Of the sweep.
        home: Its home.
        store: URL of its store, if it has one of its own.
        tracking_uri: MLflow's, if it has one of its own.
        export: File for the knee's margins, if they are wanted.
        as_json: Whether to print JSON.
        places: What else ``sweep`` takes.
    """
    # With --json, what is for people goes to the other stream.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        finished = _carried_out(
            sweep, name, home=home, store_url=store, tracking_uri=tracking_uri, **places
        )
        _show(finished, home=home, store=store, tracking_uri=tracking_uri, export=export)
    _end(finished, as_json=as_json)


def _carried_out(
    sweep: "Callable[..., FinishedSweep]", name: str, *, home: Path, **places: Any
) -> "FinishedSweep":
    """Call what carries out a sweep; where it is interrupted, say what follows."""
    from sweeps.cli.hints import command_line
    from sweeps.cli.live_view import LiveView
    from sweeps.home import Home

    view = LiveView(OUT)
    try:
        with view:
            return sweep(home=Home(path=home), callbacks=[view], **places)
    except KeyboardInterrupt:
        command = command_line("resume", name, home=home)
        started = f"{name} is paused, and nothing that has ended is lost; go on with: {command}"
        before = "what was decoded is kept; the same command goes on from there"
        ERR.print(started if view.started else before)
        raise


def _show(
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
