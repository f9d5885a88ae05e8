"""Pictures of a front: an interactive page and a PNG, drawn from one layout.

Slow to import, for plotly and matplotlib: import it where it is needed.
"""

from sweeps.results.plots.html import front_html
from sweeps.results.plots.png import front_png
from sweeps.results.plots.style import FRONT, INK, KNEE, empty_figure, encoded_picture, frame_axes

__all__ = [
    "FRONT",
    "INK",
    "KNEE",
    "empty_figure",
    "encoded_picture",
    "frame_axes",
    "front_html",
    "front_png",
]
