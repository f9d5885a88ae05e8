"""Files for people: looked at before the work, and written whole or not at all."""

import os
from pathlib import Path

from objectives import InputError
from trainer import written_whole

__all__ = ["check_output", "write_output", "write_whole"]


def check_output(file: Path, *, field: str) -> None:
    """Find out before a long run what `write_whole` would only find out after it.

    Raises:
        InputError: The file cannot be written; the message names the field.
    """
    try:
        if not file.absolute().parent.is_dir():
            raise InputError(f"{file} cannot be written (No such file or directory)", field=field)
        other = file.exists() and not file.is_file()  # a folder, a device, a pipe
    except OSError as error:  # such as of a name too long, up to Python 3.13
        raise InputError(f"{file} cannot be written ({error.strerror})", field=field) from None
    if other or not os.access(file.absolute().parent, os.W_OK):
        raise InputError(f"{file} cannot be written", field=field)


def write_output(file: Path, content: bytes, *, field: str) -> None:
    """Write the file as `write_whole` does.

    Raises:
        InputError: It cannot be written; the message names the field.
    """
    try:
        write_whole(file, content)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror})", field=field) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write the file whole, or leave what is there; where it is a link, what that leads to.

    Raises:
        OSError: It cannot be written.
    """
    with written_whole(path) as partial:
        partial.write_bytes(content)
