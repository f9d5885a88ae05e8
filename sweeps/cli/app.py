"""Application of the command line: its commands, and how their errors are said.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from objectives import InputError
from sweeps.cli.commands import (
    archive,
    confirm,
    delete,
    export,
    front,
    list_sweeps,
    rename,
    replay,
    resume,
    run,
    score,
    status,
    ui,
)
from sweeps.cli.input_errors import in_options
from sweeps.cli.secret_options import hide_secret_options
from sweeps.cli.terminal import ERR, print_line
from trainer import TrialFailed  # noqa: F401  (so that the package is there: see `main`)

__all__ = ["app", "main"]


# Typer does not name it: all that Click says of arguments and options.
_UsageError: Any = typer.BadParameter.__base__


class _Commands(TyperGroup):
    """Commands whose users' mistakes end in one sentence and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            command = self.commands[str(ctx.invoked_subcommand)]
            ERR.print("error:", in_options(error, command))
            ctx.exit(2)
        except _UsageError as error:
            from sweeps.store import redacted  # imports SQLAlchemy

            error.message = redacted(error.message)  # a URL too many is repeated
            raise


app = typer.Typer(
    name="sweeps",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find the trade-off between accuracy (Recall@1) and threshold consistency (OPIS) of an "
    "embedding model on your data, and export the tuned margins.",
    epilog="Start with:  sweeps run examples/demo.yaml",
)
app.command()(run)
app.command()(resume)
app.command("list")(list_sweeps)
app.command()(status)
app.command()(front)
app.command()(confirm)
app.command()(export)
app.command()(score)
app.command()(ui)
app.command()(replay)
app.command()(archive)
app.command()(rename)
app.command()(delete)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # slow to import

        print_line(f"tcm-sweeps {version('tcm-sweeps')}")
        raise typer.Exit


@app.callback()
def _sweeps(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; Ctrl-C ends in one word."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may know no arrows
    # For workloads and backbones of the user's own. Ours are imported by now: a folder called
    # `trainer` where the user stands comes before an editable installation of it.
    with suppress(FileNotFoundError):  # in a folder that is gone
        sys.path.append(str(Path.cwd()))
    if arguments is None:
        hide_secret_options(typer.main.get_command(app))
    try:
        app(arguments)
    except SystemExit as end:
        if end.code == 130:  # Typer's, after Ctrl-C
            ERR.print("interrupted")
        raise
