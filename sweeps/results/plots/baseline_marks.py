"""Marks of the baselines in a front's pictures: lines through their values, and their labels."""

from dataclasses import dataclass
from typing import Final

from sweeps.results.plots.layout import Axis
from sweeps.results.plots.style import BASELINES
from sweeps.results.ranking import RankedTrials
from sweeps.store import BaselineRecord

__all__ = ["BaselineMark", "baseline_marks"]

_ARROWS: Final = {
    (-1, 0): "←",
    (1, 0): "→",
    # Along an upright line a label is turned to the left, and its arrow with it.
    (0, -1): "←",
    (0, 1): "→",
    (-1, -1): "↙",
    (-1, 1): "↖",
    (1, -1): "↘",
    (1, 1): "↗",
}
_ROW: Final = 13


@dataclass(frozen=True, kw_only=True)
class BaselineMark:
    """Mark of one baseline: a line across at its y, one upright at its x, a cross where they meet.

    Attributes:
        baseline: The baseline.
        x: Its place along the x-axis, as shown; None where that is outside the picture.
        y: The same along the y-axis.
        colour: Of lines, cross and label.
        label: Its name; where it lies outside, with an arrow to it and the values not seen.
        at: Where the label is: along each axis the place, as shown, or where that is outside a
            fraction of the picture.
        shift: Points from there, to the right and up, at which the label begins.
        align: Which way the label goes from there: 1 to the right or up, -1 to the left or down.
        turned: Whether the label runs upwards, along an upright line.
    """

    baseline: BaselineRecord
    x: float | None
    y: float | None
    colour: str
    label: str
    at: tuple[float, float]
    shift: tuple[int, int]
    align: tuple[int, int]
    turned: bool


def baseline_marks(ranked: RankedTrials, x: Axis, y: Axis) -> tuple[BaselineMark, ...]:
    """Return the marks of the baselines that were scored; none where there is no trial."""
    marks: list[BaselineMark] = []
    for each in ranked.baselines if ranked.trials else ():
        if each.metrics is not None:
            row = sum(mark.x is None and mark.y is None for mark in marks)
            colour = BASELINES[len(marks) % len(BASELINES)]
            values = each.metrics[x.objective.name], each.metrics[y.objective.name]
            marks.append(_mark(each, values, (x, y), colour=colour, row=row))
    return tuple(marks)


def _mark(
    baseline: BaselineRecord,
    values: tuple[float, float],
    axes: tuple[Axis, Axis],
    *,
    colour: str,
    row: int,
) -> BaselineMark:
    x, y = (axis.shown(value) for axis, value in zip(axes, values, strict=True))
    beyond = axes[0].side(x), axes[1].side(y)
    turned = beyond[0] == 0 != beyond[1]
    # A label begins at the edge beyond which the baseline lies, and else beside the cross.
    right = -beyond[0] or (-1 if turned or x > axes[0].middle else 1)
    up = -beyond[1] or 1
    return BaselineMark(
        baseline=baseline,
        x=None if beyond[0] else x,
        y=None if beyond[1] else y,
        colour=colour,
        label=_label(baseline.label, values, axes, beyond),
        at=(_edge(beyond[0]) if beyond[0] else x, _edge(beyond[1]) if beyond[1] else y),
        shift=_shift(beyond, right, row),
        align=(right, up),
        turned=turned,
    )


def _edge(side: int) -> float:
    return 0.99 if side > 0 else 0.01


def _shift(beyond: tuple[int, int], right: int, row: int) -> tuple[int, int]:
    if beyond == (0, 0):
        return 8 * right, 4
    if beyond[0] and beyond[1]:
        return 0, -beyond[1] * _ROW * row
    return (0, 3) if beyond[0] else (-3, 0)


def _label(
    name: str, values: tuple[float, float], axes: tuple[Axis, Axis], beyond: tuple[int, int]
) -> str:
    unseen = [
        f"{axis.objective.label} {value:.3g}"
        for axis, value, side in zip(axes, values, beyond, strict=True)
        if side
    ]
    if not unseen:
        return name
    told, arrow = f"{name} ({', '.join(unseen)})", _ARROWS[beyond]
    return f"{arrow} {told}" if arrow in "←↙↖" else f"{told} {arrow}"
