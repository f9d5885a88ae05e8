"""Options that hold a password, kept out of the process list, which all users of a machine read."""

import os
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

from typer.core import TyperOption

__all__ = ["hide_secret_options", "without_secrets"]


def hide_secret_options(group: Any) -> None:
    """Start this process anew where an option holds a password, which then is in its environment.

    What a process was started with is also what Ray tells of it to all who use a cluster.

    Args:
        group: The commands, as Typer has them.
    """
    arguments = sys.argv[1:]
    before = sys.orig_argv[: len(sys.orig_argv) - len(arguments)]
    if [*before, *arguments] != sys.orig_argv:  # called from within another program
        return
    kept, secrets = without_secrets(arguments, group)
    if secrets:
        command = [sys.executable, *before[1:], *kept]
        os.execve(sys.executable, command, {**os.environ, **secrets})  # noqa: S606


def without_secrets(arguments: Sequence[str], group: Any) -> tuple[list[str], dict[str, str]]:
    """Return arguments without the options that hold secrets, and the variables that say the same.

    Args:
        arguments: Of the program, its command first.
        group: The commands, as Typer has them.
    """
    command = group.commands.get(arguments[0]) if arguments else None
    variables = {
        each.opts[0]: str(each.envvar)
        for each in (command.params if command else ())
        if isinstance(each, TyperOption) and each.envvar
    }
    kept: list[str] = []
    secrets: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        given = [word] if equals or option not in variables else [word, *islice(words, 1)]
        value = value if equals else given[-1]
        if option in variables and _is_secret(value):
            secrets[variables[option]] = value
        else:
            kept += given
    return kept, secrets


def _is_secret(value: str) -> bool:
    from sweeps.store import redacted  # imports SQLAlchemy

    return redacted(value) != value
