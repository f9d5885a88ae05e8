"""The pictures of a front: an interactive page and a PNG, drawn from one layout.

Slow to import, for plotly and matplotlib: import it where it is needed.
"""

from sweeps.plots.html import front_html
from sweeps.plots.png import front_png

__all__ = ["front_html", "front_png"]
