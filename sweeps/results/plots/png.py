"""Picture of a front as a PNG, drawn by matplotlib's object interface."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from sweeps.results.plots.baseline_marks import BaselineMark, baseline_marks
from sweeps.results.plots.layout import (
    Axis,
    Series,
    axes_of,
    band,
    series_of,
    staircase,
    titles,
)
from sweeps.results.plots.style import (
    FRONT,
    INK,
    INTERVAL,
    KNEE,
    empty_figure,
    encoded_picture,
    frame_axes,
)
from sweeps.results.ranking import RankedTrials

__all__ = ["front_png"]


def front_png(ranked: RankedTrials) -> bytes:
    """Draw the front as a PNG of 1200 x 900 pixels."""
    x, y = axes_of(ranked)
    figure, ax = empty_figure()
    _frame(ax, ranked, x, y)
    stairs = staircase(ranked, x, y)
    if stairs[0]:
        ax.fill_between(*stairs, y.worst_edge, color=FRONT, alpha=0.07, linewidth=0, zorder=1)
        ax.plot(*stairs, color=FRONT, linewidth=1.6, zorder=2)
    if ranked.band is not None:
        ax.fill_between(
            *band(ranked, x, y),
            color=FRONT,
            alpha=0.16,
            linewidth=0,
            label="attained, 95 %",
            step="pre",
            zorder=1.5,
        )
    for mark in baseline_marks(ranked, x, y):
        _draw_baseline(ax, mark)
    for order, series in enumerate(series_of(ranked)):
        _scatter(ax, series, x, y, order)
    if ranked.told_from_noise:
        _draw_intervals(ax, ranked, x, y)
    _mark_knee(ax, ranked, x, y)
    _number(ax, ranked, x, y)
    if ranked.trials:
        figure.legend(
            loc="outside lower center",
            ncols=6,
            frameon=False,
            fontsize=9.5,
            columnspacing=1.1,
            handletextpad=0.3,
        )
    return encoded_picture(figure, file_format="png")


def _frame(ax: Axes, ranked: RankedTrials, x: Axis, y: Axis) -> None:
    title, subtitle = titles(ranked)
    frame_axes(ax, title=title, subtitle=subtitle, x=x.title, y=y.title)
    ax.set(xlim=(x.low, x.high), ylim=(y.low, y.high))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    if not ranked.trials:
        ax.text(0.5, 0.5, "no finished trial yet", transform=ax.transAxes, ha="center", size=12)


def _scatter(ax: Axes, series: Series, x: Axis, y: Axis, order: int) -> None:
    if not series.trials:
        return
    ax.scatter(
        [x.place(trial) for trial in series.trials],
        [y.place(trial) for trial in series.trials],
        s=series.size**2,
        marker=series.marker,
        facecolors=series.colour if series.filled else "white",
        edgecolors="white" if series.filled else series.colour,
        linewidths=0.9 if series.filled else 1.3,
        label=series.label,
        zorder=3 + order,
    )


def _draw_intervals(ax: Axes, ranked: RankedTrials, x: Axis, y: Axis) -> None:
    """Draw the intervals of members as crosses."""
    ax.errorbar(
        [x.place(trial) for trial in ranked.front],
        [y.place(trial) for trial in ranked.front],
        xerr=[*zip(*(x.reach(trial) for trial in ranked.front), strict=True)],
        yerr=[*zip(*(y.reach(trial) for trial in ranked.front), strict=True)],
        fmt="none",
        ecolor=INTERVAL,
        elinewidth=0.8,
        label="95 % interval",
        zorder=2.5,
    )


def _draw_baseline(ax: Axes, mark: BaselineMark) -> None:
    line: dict[str, Any] = {"color": mark.colour, "linewidth": 1.1, "linestyle": (0, (5, 3))}
    if mark.x is not None:
        ax.axvline(mark.x, **line, zorder=2.2)
    if mark.y is not None:
        ax.axhline(mark.y, **line, zorder=2.2)
    if mark.x is not None and mark.y is not None:
        ax.scatter([mark.x], [mark.y], s=60, marker="X", color=mark.colour, zorder=7)
    horizontal, vertical = mark.align
    ax.annotate(
        mark.label,
        mark.at,
        mark.shift,
        xycoords=(
            "axes fraction" if mark.x is None else "data",
            "axes fraction" if mark.y is None else "data",
        ),
        textcoords="offset points",
        rotation=90 if mark.turned else 0,
        ha="left" if horizontal > 0 else "right",
        va="bottom" if vertical > 0 else "top",
        fontsize=8.5,
        color=mark.colour,
        parse_math=False,
        path_effects=[Stroke(linewidth=2.5, foreground="white"), Normal()],
        zorder=7,
    )


def _mark_knee(ax: Axes, ranked: RankedTrials, x: Axis, y: Axis) -> None:
    knee = ranked.knee_trial
    if knee is None:
        return
    ax.scatter(
        [x.place(knee)],
        [y.place(knee)],
        s=230,
        facecolors="none",
        edgecolors=KNEE,
        linewidths=2,
        label=f"knee (trial {knee.number})",
        zorder=8,
    )


def _number(ax: Axes, ranked: RankedTrials, x: Axis, y: Axis) -> None:
    """Write the members' numbers on the empty side of the front, where they do not collide."""
    taken: list[tuple[float, float]] = []
    side_x, side_y = -x.objective.sign, -y.objective.sign
    for trial in sorted(ranked.front, key=lambda trial: trial.number != ranked.knee):
        # In points, for an axes of roughly 500 x 330.
        at = (
            500 * (x.place(trial) - x.low) / (x.high - x.low),
            330 * (y.place(trial) - y.low) / (y.high - y.low),
        )
        if any(abs(at[0] - px) < 20 and abs(at[1] - py) < 11 for px, py in taken):
            continue
        taken.append(at)
        reach = 9 if trial.number == ranked.knee else 6
        ax.annotate(
            str(trial.number),
            (x.place(trial), y.place(trial)),
            (side_x * reach, side_y * reach),
            textcoords="offset points",
            ha="left" if side_x > 0 else "right",
            va="bottom" if side_y > 0 else "top",
            fontsize=8.5,
            color=KNEE if trial.number == ranked.knee else INK,
            zorder=9,
        )
