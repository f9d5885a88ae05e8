"""Terminal that the commands write to: tables and lines for people, JSON for machines."""

import json
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console

__all__ = ["ERR", "OUT", "print_json", "print_line", "program", "shown"]

# Where the output is no terminal there is no width to keep to.
OUT: Final = Console(width=None if sys.stdout.isatty() else 160)
ERR: Final = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def print_line(text: str, *, style: str | None = None) -> None:
    """Print one line as it is, however long."""
    OUT.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def print_json(value: Any) -> None:
    """Print JSON; what JSON does not have becomes null (NaN) or a text (times, paths)."""
    print(json.dumps(_plain(value), indent=2, default=str))


def shown(path: Path) -> Path:
    """Return the path from here, where it lies below."""
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute


def program() -> str:
    """Return what to type to run this program again."""
    found = shutil.which("sweeps")
    here = Path(sys.argv[0])
    if not here.exists() or (found and here.samefile(found)):
        return "sweeps"
    return str(shown(here))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
