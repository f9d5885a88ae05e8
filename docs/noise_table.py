"""Table of what the benchmark of OPIS's noise floor found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["noise_table"]

_HEADINGS = (
    *("classes", "n", "truth", "OPIS", "holds it", "corrected", "bias, of OPIS", "holds it"),
    *("by slopes", "holds it"),
)


def noise_table(file: Path) -> str:
    """Return a Markdown table of the figures that ``python -m benchmarks.noise_floor`` wrote."""
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(row["kind"], str(row["samples"])),
        *(_shown(row[name], 2) for name in ("truth", "opis", "coverage_of_opis", "corrected")),
        *(_shown(row["bias"], 3), _shown(row["coverage"], 2)),
        *(_shown(row[name], 2) for name in ("by_slopes", "coverage_by_slopes")),
    )


def _shown(value: float | None, digits: int) -> str:
    """Write a figure without a leading nought; a dash where there is none."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
    return "0" if set(text) <= set("-.0") else text
