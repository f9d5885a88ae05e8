"""Style of all pictures: their colours, their frame, and the files they are drawn to."""

import io
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "BASELINES",
    "CONTROL",
    "FRONT",
    "GRID",
    "INK",
    "INTERVAL",
    "KNEE",
    "MUTED",
    "empty_figure",
    "encoded_picture",
    "frame_axes",
]

# Okabe and Ito's colour-blind-safe palette; grey for what is dominated.
FRONT: Final = "#0072B2"
CONTROL: Final = "#E69F00"
INTERVAL: Final = "#7FB3D5"
KNEE: Final = "#D55E00"
MUTED: Final = "#9A9A9A"
# Of the baselines, one after the other: reddish purple, bluish green, sky blue.
BASELINES: Final = ("#B0508A", "#00805C", "#3E8FB8")
INK: Final = "#222222"
GRID: Final = "#E3E3E3"
_DPI: Final = 150


def empty_figure() -> tuple[Figure, Axes]:
    """Return a figure of 1200 x 900 pixels, and its axes."""
    figure = Figure(figsize=(8, 6), dpi=_DPI)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def frame_axes(ax: Axes, *, title: str, subtitle: str, x: str, y: str, room: float = 0) -> None:
    """Write titles and labels, and draw the grid.

    Args:
        ax: The axes.
        title: Of the picture; a dollar sign or an underscore in it is no mathematics.
        subtitle: Below it.
        x: Label of the x-axis.
        y: Label of the y-axis.
        room: Points to leave between the axes and the titles.
    """
    ax.set_title(
        title,
        loc="left",
        fontsize=14,
        fontweight="bold",
        color=INK,
        pad=24 + room,
        parse_math=False,
    )
    ax.annotate(
        subtitle,
        (0, 1),
        (0, 8 + room),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=10,
        color="#555555",
    )
    ax.set_xlabel(x, fontsize=11, color=INK, labelpad=8)
    ax.set_ylabel(y, fontsize=11, color=INK, labelpad=8)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, labelsize=10, length=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#888888")


def encoded_picture(figure: Figure, *, file_format: str) -> bytes:
    """Return the picture as a file's content: ``png``, ``svg`` or ``pdf``."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file_format, dpi=_DPI, facecolor="white")
    return buffer.getvalue()
