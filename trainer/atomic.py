"""Files that are written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

__all__ = ["remove_partials", "written_whole"]


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside the file to write to; at the end it takes the file's place.

    Where the file is a link, what that leads to is replaced. If the writing raises, what was there
    before stays, and nothing is left beside it.

    Raises:
        OSError: Nothing was written to the path, or the folder cannot be written to.
    """
    path = path.resolve()
    partial = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def remove_partials(path: Path) -> None:
    """Remove what killed processes left of a file; nobody may be writing to it."""
    path = path.resolve()
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        partial.unlink(missing_ok=True)
