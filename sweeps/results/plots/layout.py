"""Layout of a front's pictures: axes, series, the staircase and titles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from objectives import Objective, front_ranks
from sweeps.results.final_values import SPLIT
from sweeps.results.plots.style import CONTROL, FRONT, MUTED
from sweeps.results.ranking import RankedTrial, RankedTrials

__all__ = [
    "Axis",
    "Series",
    "axes_of",
    "band",
    "series_of",
    "staircase",
    "titles",
]

_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPTS: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Axis of one objective.

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
    def middle(self) -> float:
        """Half way between the ends."""
        return (self.low + self.high) / 2

    @property
    def worst_edge(self) -> float:
        """The end at which the objective is worst, as shown."""
        return self.low if self.objective.direction == "maximize" else self.high

    def worse(self, one: float, other: float) -> float:
        """Return the worse of two values."""
        return min(one, other) if self.objective.direction == "maximize" else max(one, other)

    def place(self, trial: RankedTrial) -> float:
        """Return the place of a trial on the axis, as shown."""
        return self.shown(trial.values[self.objective.name])

    def reach(self, trial: RankedTrial) -> tuple[float, float]:
        """Return how far a trial's interval goes below and above its place, as shown."""
        value = trial.values[self.objective.name]
        low, high = trial.intervals.get(self.objective.name, (value, value))
        return self.shown(value - low), self.shown(high - value)

    def shown(self, value: float) -> float:
        """Return a value as shown."""
        return float(value * 10.0**self.power)

    def side(self, shown: float) -> int:
        """Return -1, 0 or 1 where a value, as shown, lies below, within or above the axis."""
        return (shown > self.high) - (shown < self.low)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Rows that are drawn alike, in both pictures.

    Attributes:
        label: What the legend says.
        trials: The trials; there may be none.
        colour: Colour of the marker, or of its edge where it is not filled.
        marker: matplotlib's name of the marker.
        symbol: plotly's name of the marker.
        size: Diameter in points.
        filled: Whether the marker is filled.
    """

    label: str
    trials: tuple[RankedTrial, ...]
    colour: str
    marker: str
    symbol: str
    size: float
    filled: bool


def axes_of(ranked: RankedTrials) -> tuple[Axis, Axis]:
    """Return the axes of the first objective (x) and of the second (y)."""
    first, second = (_axis(objective, ranked) for objective in ranked.objectives)
    return first, second


def _axis(objective: Objective, ranked: RankedTrials) -> Axis:
    """Scale small values by a power of ten, and leave 6 % of air around the points.

    The points are the trials, the intervals of the front, and the baselines that leave them half
    of the axis or more.
    """
    values = [trial.values[objective.name] for trial in ranked.trials]
    ends = [trial.intervals.get(objective.name, ()) for trial in ranked.front]
    values = [*values, *(end for each in ends for end in each)] or sorted(
        (0.0, objective.reference or 1.0)
    )
    low, high = min(values), max(values)
    scored = [each.metrics[objective.name] for each in ranked.baselines if each.metrics]
    near = [value for value in scored if 2 * low - high <= value <= 2 * high - low]
    values = [*values, *near] if ranked.trials else values
    largest = max(map(abs, values))
    power = -math.floor(math.log10(largest)) if 0 < largest < 0.1 else 0
    low, high = min(values) * 10.0**power, max(values) * 10.0**power
    air = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(objective=objective, power=power, low=low - air, high=high + air)


def series_of(ranked: RankedTrials) -> tuple[Series, ...]:
    """Return what is drawn, the lowest layer first."""

    def pick(on_front: bool, control: bool) -> tuple[RankedTrial, ...]:
        return tuple(r for r in ranked.trials if (r.rank == 0) is on_front and r.control is control)

    # Where noise is known, a trial may lie before the staircase and yet rather not belong to it.
    behind = "other" if ranked.told_from_noise else "dominated"
    return (
        Series(
            label=f"{behind} trial",
            trials=pick(False, False),
            colour=MUTED,
            marker="o",
            symbol="circle-open",
            size=6,
            filled=False,
        ),
        Series(
            label=f"{behind} control",
            trials=pick(False, True),
            colour=CONTROL,
            marker="D",
            symbol="diamond-open",
            size=7,
            filled=False,
        ),
        Series(
            label="front",
            trials=pick(True, False),
            colour=FRONT,
            marker="o",
            symbol="circle",
            size=8.5,
            filled=True,
        ),
        Series(
            label="control on the front",
            trials=pick(True, True),
            colour=CONTROL,
            marker="D",
            symbol="diamond",
            size=9,
            filled=True,
        ),
    )


def staircase(ranked: RankedTrials, x: Axis, y: Axis) -> tuple[list[float], list[float]]:
    """Return the edge of what the front attains, from one worst edge of the picture to the other.

    Between two neighbours it turns at the corner that both still dominate.
    """
    places = [(x.place(trial), y.place(trial)) for trial in ranked.front]
    # A likely member may be estimated to lie behind another one.
    ranks = front_ranks(places, ranked.objectives)
    points = sorted(place for place, rank in zip(places, ranks, strict=True) if rank == 0)
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


def band(ranked: RankedTrials, x: Axis, y: Axis) -> tuple[list[float], list[float], list[float]]:
    """Return places of x and, for each, both ends in y between which the true front runs.

    It goes on to the worst edge of x, and ends at that of y where the front may not reach so far.
    """
    if ranked.band is None:
        return [], [], []

    def shown(axis: Axis, values: Sequence[float]) -> list[float]:
        return [min(max(axis.shown(value), axis.low), axis.high) for value in values]

    best, worst = shown(y, ranked.band.best), shown(y, ranked.band.worst)
    places = [x.worst_edge, *shown(x, ranked.band.first)]
    return places, [best[0], *best], [worst[0], *worst]


def titles(ranked: RankedTrials) -> tuple[str, str]:
    """Return title and subtitle."""
    count = f"{len(ranked.front)} of {len(ranked.trials)} finished trials on the front"
    return ranked.sweep, f"{count} · {SPLIT} split · hypervolume {ranked.hypervolume:.4g}"
