"""Reference of the command line as Markdown: ``docs/cli.md``, read from the Typer application."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import typer
import typer.main

__all__ = ["command_reference"]

_HEAD: Final = """\
# The command line

<!-- Made from the commands: python -m docs.generate -->

What `sweeps COMMAND --help` says, in one place. An option wins over its environment
variable. A mistake in what is given ends in one sentence and exit code 2.
"""
_PLACEHOLDERS: Final = {Path: "PATH", int: "INTEGER", float: "FLOAT", str: "TEXT", bool: ""}


def command_reference(app: typer.Typer) -> str:
    """Return the whole document, the same for any width of a terminal."""
    group: Any = typer.main.get_command(app)
    parts = [_HEAD, *_section(group, "sweeps", "COMMAND [ARGS]...")]
    for name, command in group.commands.items():
        parts += _section(command, f"sweeps {name}", "")
    return "\n".join(parts)


def _section(command: Any, name: str, more: str) -> Iterator[str]:
    """Yield the blocks on one command, each with a line's end of its own."""
    shown = [each for each in command.params if each.name != "help"]
    arguments = [_argument(each) for each in shown if each.param_type_name == "argument"]
    usage = " ".join(filter(None, [name, "[OPTIONS]", *arguments, more]))
    yield f"## `{name}`\n\n{inspect.cleandoc(command.help)}\n\n```text\n{usage}\n```\n"
    hints = get_type_hints(inspect.unwrap(command.callback))
    yield "| | meaning | environment variable | default |\n|---|---|---|---|"
    for each in shown:
        words = (_words(each, hints), each.help, _code(each.envvar), _default(each))
        yield "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"
    yield ""


def _argument(argument: Any) -> str:
    words = argument.metavar or argument.name.upper()
    return str(words if argument.required or words.startswith("[") else f"[{words}]")


def _words(param: Any, hints: dict[str, Any]) -> str:
    """Return what is typed: an argument, or the option's names with what it takes."""
    if param.param_type_name == "argument":
        return f"`{_argument(param)}`"
    value = param.metavar or _PLACEHOLDERS[_bare(hints[param.name])]
    return f"`{', '.join(param.opts)}{f' {value}' if value else ''}`"


def _bare(hint: Any) -> Any:
    """Return the type without ``None``."""
    if get_origin(hint) in (Union, type(int | None)):
        return next(each for each in get_args(hint) if each is not type(None))
    return hint


def _default(param: Any) -> str:
    if param.required:
        return "required"
    # A switch that is off has no default to speak of, nor has what is left out.
    return "" if param.default in (None, False) else _code(param.default)


def _code(value: object) -> str:
    return "" if value is None else f"`{value}`"
