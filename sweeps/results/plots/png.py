"""The front as a PNG, drawn by matplotlib's object interface."""

import io
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeps.plots.layout import (
    FRONT,
    GRID,
    INK,
    KNEE,
    Axis,
    Series,
    axes_of,
    knee_row,
    series_of,
    staircase,
    titles,
)
from sweeps.report import Front

__all__ = ["front_png"]

_DPI: Final = 150


def front_png(front: Front) -> bytes:
    """Draw the front as a PNG of 1200 x 900 pixels."""
    x, y = axes_of(front)
    figure = Figure(figsize=(8, 6), dpi=_DPI)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    _frame(ax, front, x, y)
    stairs = staircase(front, x, y)
    if stairs[0]:
        ax.fill_between(*stairs, y.worst_edge, color=FRONT, alpha=0.07, linewidth=0, zorder=1)
        ax.plot(*stairs, color=FRONT, linewidth=1.6, zorder=2)
    for order, series in enumerate(series_of(front)):
        _scatter(ax, series, x, y, order)
    _mark_knee(ax, front, x, y)
    _number(ax, front, x, y)
    if front.rows:
        figure.legend(
            loc="outside lower center",
            ncols=5,
            frameon=False,
            fontsize=9.5,
            columnspacing=1.4,
            handletextpad=0.3,
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    return buffer.getvalue()


def _frame(ax: Axes, front: Front, x: Axis, y: Axis) -> None:
    title, subtitle = titles(front)
    # A sweep's name may hold a dollar sign or an underscore; neither is mathematics here.
    ax.set_title(
        title, loc="left", fontsize=14, fontweight="bold", color=INK, pad=24, parse_math=False
    )
    ax.annotate(
        subtitle,
        (0, 1),
        (0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=10,
        color="#555555",
    )
    ax.set(xlim=(x.low, x.high), ylim=(y.low, y.high))
    ax.set_xlabel(x.title, fontsize=11, color=INK, labelpad=8)
    ax.set_ylabel(y.title, fontsize=11, color=INK, labelpad=8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, labelsize=10, length=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#888888")
    if not front.rows:
        ax.text(0.5, 0.5, "no finished trial yet", transform=ax.transAxes, ha="center", size=12)


def _scatter(ax: Axes, series: Series, x: Axis, y: Axis, order: int) -> None:
    if not series.rows:
        return
    ax.scatter(
        [x.place(row) for row in series.rows],
        [y.place(row) for row in series.rows],
        s=series.size**2,
        marker=series.marker,
        facecolors=series.colour if series.filled else "white",
        edgecolors="white" if series.filled else series.colour,
        linewidths=0.9 if series.filled else 1.3,
        label=series.label,
        zorder=3 + order,
    )


def _mark_knee(ax: Axes, front: Front, x: Axis, y: Axis) -> None:
    knee = knee_row(front)
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


def _number(ax: Axes, front: Front, x: Axis, y: Axis) -> None:
    """Write the members' numbers on the empty side of the front, where they do not collide."""
    taken: list[tuple[float, float]] = []
    side_x, side_y = -x.objective.sign, -y.objective.sign
    for row in sorted(front.members, key=lambda row: row.number != front.knee):
        # In points, for an axes of roughly 500 x 330.
        at = (
            500 * (x.place(row) - x.low) / (x.high - x.low),
            330 * (y.place(row) - y.low) / (y.high - y.low),
        )
        if any(abs(at[0] - px) < 20 and abs(at[1] - py) < 11 for px, py in taken):
            continue
        taken.append(at)
        reach = 9 if row.number == front.knee else 6
        ax.annotate(
            str(row.number),
            (x.place(row), y.place(row)),
            (side_x * reach, side_y * reach),
            textcoords="offset points",
            ha="left" if side_x > 0 else "right",
            va="bottom" if side_y > 0 else "top",
            fontsize=8.5,
            color=KNEE if row.number == front.knee else INK,
            zorder=9,
        )
