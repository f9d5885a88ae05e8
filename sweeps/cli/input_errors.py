"""Input errors in the words of the command line: options instead of fields."""

import re
from typing import Any

from typer.core import TyperOption

from objectives import InputError

__all__ = ["in_options"]


def in_options(error: InputError, command: Any) -> str:
    """Return the message with the fields that it is about as options of the command.

    A field that the command has no option for, such as one of a spec, stays as it is.

    Args:
        error: What a command raised.
        command: The command, as Typer has it.
    """
    options = {each.name: each.opts[0] for each in command.params if isinstance(each, TyperOption)}
    text = str(error)
    for field in error.fields:
        option = options.get(field, field)
        if text.startswith(f"{field}: "):
            text = option + text.removeprefix(field)
        else:
            # In quotation marks stands what the user wrote.
            text = re.sub(rf"(?<![\w'.]){re.escape(field)}(?![\w'])", option, text)
    return text
