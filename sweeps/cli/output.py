"""What the commands do with a store: open it, and show or export what it holds."""

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from objectives import InputError
from sweeps.home import Home
from sweeps.mlflow_client import is_server
from sweeps.options import DEFAULT_HOME
from sweeps.report import Front, read_front
from sweeps.store import Store
from sweeps.tables import front_table
from sweeps.terminal import ERR, OUT, print_line, program, shown

if TYPE_CHECKING:
    from sweeps.runner import Finished  # imports Ray

__all__ = [
    "command_line",
    "export_trial",
    "home_at",
    "open_store",
    "show_finished",
    "show_front",
    "ui_hint",
]


def home_at(path: Path) -> Home:
    """Return the home at a path.

    Raises:
        InputError: Databases could not be named there.
    """
    if "?" in str(path):
        raise InputError(f"--home: {path} has a '?', which database URLs do not take")
    return Home(path=path)


@contextmanager
def open_store(home: Path, url: str | None) -> Iterator[Store]:
    """Open the store at the URL, or under the home, without making one.

    Raises:
        InputError: It is not there, or cannot be opened.
    """
    with closing(Store.open(url or home_at(home).store_url, create=False)) as store:
        yield store


def show_front(front: Front, *, every_trial: bool = False) -> None:
    """Print the front, or all completed trials by rank."""
    if not front.rows:
        print_line(f"{front.sweep}: no trial has completed")
        return
    OUT.print(front_table(front, width=OUT.width, every_trial=every_trial))
    OUT.print(f"hypervolume {front.hypervolume:.4f}, measured on the validation classes")


def show_finished(finished: "Finished") -> None:
    """Print what a sweep left: its front, and where the files are."""
    show_front(finished.front)
    for file in finished.files:
        print_line(f"{file.suffix[1:]:>5}  {shown(file)}")
    if finished.mirror_error:
        ERR.print(f"MLflow is not level with the store: {finished.mirror_error}")


def export_trial(store: Store, name: str, output: Path, *, pick: str) -> None:
    """Write the margins of a trial, and say which it is.

    Raises:
        InputError: The pick means no trial, or the file cannot be written.
    """
    # Imports timm by way of the trainer, which takes seconds that no other command needs.
    from sweeps.export import export_margins, write_margins

    margins = export_margins(
        store.sweep(name), read_front(store, name), store.measurements(name), pick=pick
    )
    write_margins(margins, output)
    margins_in_use = (
        f"margin_positive {margins.margin_positive:.3f}, "
        f"margin_negative {margins.margin_negative:.3f}"
    )
    what = "a control, without TCM" if margins.config.is_control else margins_in_use
    print_line(f"{'yaml':>5}  {shown(output)}  (trial {margins.trial}, {pick}: {what})")
    if margins.config.is_control:
        ERR.print(
            f"note: trial {margins.trial} is a control (TCM weight 0): no margins beat it here"
        )


def ui_hint(home: Path, tracking_uri: str | None) -> str:
    """Return what opens the UI: a command, or a server's address."""
    if tracking_uri and is_server(tracking_uri):
        return tracking_uri
    more = ["--tracking-uri", tracking_uri] if tracking_uri else []
    return command_line("ui", *more, home=home)


def command_line(*words: str, home: Path) -> str:
    """Return a command of this program as it has to be typed."""
    where = ["--home", str(home)] if home != DEFAULT_HOME else []
    return shlex.join([program(), *words, *where])
