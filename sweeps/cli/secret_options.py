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
    given: list[tuple[str, str, list[str]]] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        own = [word] if equals or option not in variables else [word, *islice(words, 1)]
        given.append((option, value if equals else own[-1], own))
    # Of an option that is given twice the last one counts, as it would have.
    last = {option: value for option, value, _ in given if option in variables}
    secrets = {option: value for option, value in last.items() if _is_secret(value)}
    kept = [word for option, _, own in given if option not in secrets for word in own]
    return kept, {variables[option]: value for option, value in secrets.items()}


def _is_secret(value: str) -> bool:
    from sweeps.store import redacted  # imports SQLAlchemy

    return redacted(value) != value
