"""Input errors in the words of the command line: options instead of fields."""

import re
from typing import Any

from typer.core import TyperOption

from objectives import InputError

__all__ = ["in_options"]


def in_options(error: InputError, command: Any) -> str:
    """Return the message with the fields that it is about as options of the command.

    What a file says wrong stays as it is, and so does a field that the command has no option for.

    Args:
        error: What a command raised.
        command: The command, as Typer has it.
    """
    if error.file is not None:
        return str(error)
    options = {each.name: each.opts[0] for each in command.params if isinstance(each, TyperOption)}
    text = str(error)
    for field in error.fields:
        option = options.get(field, field)
        if text.startswith(f"{field}: "):
            text = option + text.removeprefix(field)
        else:
            text = _outside_quotes(text, field, option)
    return text


def _outside_quotes(text: str, word: str, instead: str) -> str:
    """Replace a word, but not in quotation marks, where what the user wrote stands."""
    parts = re.split(r"('[^']*'|\"[^\"]*\")", text)
    parts[::2] = [
        re.sub(rf"(?<![\w.]){re.escape(word)}(?!\w)", instead, part) for part in parts[::2]
    ]
    return "".join(parts)
