"""Lines of the lists that official data sets come with."""

from collections.abc import Iterator
from pathlib import Path

from objectives import InputError

__all__ = ["fields_of", "number_in"]


def fields_of(file: Path, count: int, *, header: int = 0) -> Iterator[list[str]]:
    """Yield the fields of each line between blanks; the last may have blanks within.

    Raises:
        InputError: A line has fewer fields, or the file cannot be read or is no UTF-8 text.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.strip().split(maxsplit=count - 1)
                if number <= header or not fields:
                    continue
                if len(fields) != count:
                    raise InputError(
                        f"line {number} must have {count} fields, not {line.strip()!r}", file=file
                    )
                yield fields
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot be read as text ({error})", file=file) from error


def number_in(text: str, file: Path) -> int:
    """Return the whole number that a field holds.

    Raises:
        InputError: It holds something else.
    """
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{text!r} must be a whole number", file=file) from None
