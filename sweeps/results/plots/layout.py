"""What the pictures of a front share: axes, series, the staircase, titles and colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from objectives import Objective
from sweeps.report import SPLIT, Front, FrontRow

__all__ = [
    "CONTROL",
    "FRONT",
    "GRID",
    "INK",
    "KNEE",
    "MUTED",
    "Axis",
    "Series",
    "axes_of",
    "knee_row",
    "series_of",
    "staircase",
    "titles",
]

# Okabe and Ito's colour-blind-safe palette; grey for what is dominated.
FRONT: Final = "#0072B2"
CONTROL: Final = "#E69F00"
KNEE: Final = "#D55E00"
MUTED: Final = "#9A9A9A"
INK: Final = "#222222"
GRID: Final = "#E3E3E3"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPTS: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How one objective is drawn.

    Attributes:
        objective: The objective.
        power: Values are shown times ``10 ** power``.
        low: Left or lower end, as shown.
        high: Right or upper end, as shown.
    """

    objective: Objective
    power: int
    low: float
    high: float

    @property
    def title(self) -> str:
        """Label, factor and direction."""
        factor = f" {_TIMES} 10{str(self.power).translate(_SUPERSCRIPTS)}" if self.power else ""
        better = "higher" if self.objective.direction == "maximize" else "lower"
        return f"{self.objective.label}{factor} ({better} is better)"

    @property
    def worst_edge(self) -> float:
        """The end at which the objective is worst, as shown."""
        return self.low if self.objective.direction == "maximize" else self.high

    def worse(self, one: float, other: float) -> float:
        """Return the worse of two values."""
        return min(one, other) if self.objective.direction == "maximize" else max(one, other)

    def place(self, row: FrontRow) -> float:
        """Return where a row stands on the axis, as shown."""
        return float(row.values[self.objective.name] * 10.0**self.power)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Rows that are drawn alike, in both pictures.

    Attributes:
        label: What the legend says.
        rows: The rows; there may be none.
        colour: Colour of the marker, or of its edge where it is not filled.
        marker: matplotlib's name of the marker.
        symbol: plotly's name of the marker.
        size: Diameter in points.
        filled: Whether the marker is filled.
    """

    label: str
    rows: tuple[FrontRow, ...]
    colour: str
    marker: str
    symbol: str
    size: float
    filled: bool


def axes_of(front: Front) -> tuple[Axis, Axis]:
    """Return the axes of the first objective (x) and of the second (y)."""
    first, second = (_axis(objective, front.rows) for objective in front.objectives)
    return first, second


def _axis(objective: Objective, rows: Sequence[FrontRow]) -> Axis:
    """Scale small values by a power of ten, and leave 6 % of air around the points."""
    values = [row.values[objective.name] for row in rows] or sorted(
        (0.0, objective.reference or 1.0)
    )
    largest = max(map(abs, values))
    power = -math.floor(math.log10(largest)) if 0 < largest < 0.1 else 0
    low, high = min(values) * 10.0**power, max(values) * 10.0**power
    air = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(objective=objective, power=power, low=low - air, high=high + air)


def series_of(front: Front) -> tuple[Series, ...]:
    """Return what is drawn, the lowest layer first."""

    def pick(on_front: bool, control: bool) -> tuple[FrontRow, ...]:
        return tuple(r for r in front.rows if (r.rank == 0) is on_front and r.control is control)

    return (
        Series(
            label="dominated trial",
            rows=pick(False, False),
            colour=MUTED,
            marker="o",
            symbol="circle-open",
            size=6,
            filled=False,
        ),
        Series(
            label="dominated control",
            rows=pick(False, True),
            colour=CONTROL,
            marker="D",
            symbol="diamond-open",
            size=7,
            filled=False,
        ),
        Series(
            label="front",
            rows=pick(True, False),
            colour=FRONT,
            marker="o",
            symbol="circle",
            size=8.5,
            filled=True,
        ),
        Series(
            label="control on the front",
            rows=pick(True, True),
            colour=CONTROL,
            marker="D",
            symbol="diamond",
            size=9,
            filled=True,
        ),
    )


def staircase(front: Front, x: Axis, y: Axis) -> tuple[list[float], list[float]]:
    """Return the edge of what the front attains, from one worst edge of the picture to the other.

    Between two neighbours it turns at the corner that both still dominate.
    """
    points = sorted((x.place(row), y.place(row)) for row in front.members)
    if not points:
        return [], []
    if x.objective.direction == "minimize":
        points.reverse()
    # From the worst x, where the best y is, to the best x, where the worst y is.
    edge = [(x.worst_edge, points[0][1]), points[0]]
    for before, after in pairwise(points):
        edge += [(x.worse(before[0], after[0]), y.worse(before[1], after[1])), after]
    edge.append((points[-1][0], y.worst_edge))
    return [px for px, _ in edge], [py for _, py in edge]


def titles(front: Front) -> tuple[str, str]:
    """Return title and subtitle."""
    count = f"{len(front.members)} of {len(front.rows)} finished trials on the front"
    return front.sweep, f"{count} · {SPLIT} split · hypervolume {front.hypervolume:.4g}"


def knee_row(front: Front) -> FrontRow | None:
    """Return the row of the knee."""
    return next((row for row in front.rows if row.number == front.knee), None)
