"""Constraints at the lowest versions that pyproject.toml allows, for pip's ``--constraint``."""

import re
import tomllib
from pathlib import Path


def lowest(requirement: str) -> str | None:
    """Return ``name==version`` of a requirement with a lower bound."""
    found = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([0-9.]+)", requirement)
    return f"{found[1]}=={found[2]}" if found else None


def main() -> None:
    """Print a constraint a line."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["postgresql"]:
        if constraint := lowest(requirement):
            print(constraint)


if __name__ == "__main__":
    main()
