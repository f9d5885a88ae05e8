"""The one exception for mistakes that a user can mend."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input from the user: a spec, a file, a value.

    ``str()`` of it is one sentence, on one line and without characters that a terminal would obey,
    that names the field or the file. The library speaks of fields;
    the command line turns them into its options, prints the sentence and exits with code 2.

    Args:
        message: What is wrong. Where there is one field, or a file, they are put before it.
        field: The field, such as ``objectives``; or, as a sequence, the fields that the message
            names itself.
        file: The file that the input is from.

    Attributes:
        fields: The fields, none where it is about something else.
        file: The file, None where it is about something else.
    """

    def __init__(
        self, message: str, *, field: str | Sequence[str] = (), file: Path | None = None
    ) -> None:
        fields = (field,) if isinstance(field, str) else tuple(field)
        prefixes = [] if file is None else [str(file)]
        prefixes += fields if isinstance(field, str) else []
        lines = (line.strip() for line in message.splitlines())
        text = ": ".join([*prefixes, " ".join(filter(None, lines))])
        super().__init__("".join(each if each.isprintable() else _escaped(each) for each in text))
        self.fields: tuple[str, ...] = fields
        self.file = file


def _escaped(character: str) -> str:
    """Write a character as Python does: names of files and columns may hold any."""
    return repr(character)[1:-1]
