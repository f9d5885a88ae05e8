"""Hints for what to type next."""

import shlex
from pathlib import Path

from sweeps.cli.options import DEFAULT_HOME
from sweeps.cli.terminal import program
from sweeps.store import redacted
from sweeps.tracking import is_server

__all__ = ["command_line", "ui_hint"]


def ui_hint(home: Path, tracking_uri: str | None) -> str:
    """Return what opens the UI: a command, or a server's address."""
    if tracking_uri and is_server(tracking_uri):
        return redacted(tracking_uri)
    more = ["--tracking-uri", redacted(tracking_uri)] if tracking_uri else []
    return command_line("ui", *more, home=home)


def command_line(*words: str, home: Path) -> str:
    """Return a command of this program as it has to be typed."""
    where = ["--home", str(home)] if home != DEFAULT_HOME else []
    return shlex.join([program(), *words, *where])
