"""Files that commands write: looked at before the work, and written whole or not at all."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from objectives import InputError

__all__ = ["check_output", "write_whole"]


def check_output(file: Path, *, option: str) -> None:
    """Find out before a long run what `write_whole` would only find out after it.

    Raises:
        InputError: The file cannot be written.
    """
    if not file.absolute().parent.is_dir():
        raise InputError(f"{option}: {file} cannot be written (No such file or directory)")
    other = file.exists() and not file.is_file()  # a folder, a device, a pipe
    if other or not os.access(file.absolute().parent, os.W_OK):
        raise InputError(f"{option}: {file} cannot be written")


def write_whole(path: Path, content: bytes) -> None:
    """Write the file whole, or leave what is there; where it is a link, what that leads to.

    Raises:
        OSError: It cannot be written.
    """
    path = path.resolve()
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.close()
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
