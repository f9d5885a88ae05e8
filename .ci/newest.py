"""The newest Python that is here and supported, if it is newer than the one that runs this."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NEWEST = 14  # of Python 3, that pyproject.toml allows


def candidates(minor: int) -> Iterator[str]:
    """Yield what may be a Python of that version: on the path, or one of pyenv's."""
    if found := shutil.which(f"python3.{minor}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python")))


def runs(python: str) -> bool:
    """Whether it starts and can make environments; a shim of pyenv may do neither."""
    command = [python, "-c", "import ensurepip, venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main() -> None:
    """Print its path, or nothing."""
    for minor in range(NEWEST, sys.version_info.minor, -1):
        for python in candidates(minor):
            if runs(python):
                print(python)
                return


if __name__ == "__main__":
    main()
