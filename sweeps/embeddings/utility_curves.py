"""Utility curves of the classes, after Figure 2 of Zhang et al. (ICLR 2024, arXiv 2307.04047)."""

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, Score
from sweeps.results.plots import FRONT, INK, KNEE, empty_figure, encoded_picture, frame_axes

__all__ = ["utility_plot"]

# Beyond this many, curves are a haze, and only the means of groups of classes can be told apart.
_MOST_CURVES: Final = 200
_GROUPS: Final = 10


def utility_plot(score: Score, *, title: str, file_format: str) -> bytes:
    """Draw utility over distance within the calibration range, for each class and on average.

    The tenth of the classes with the lowest mean utility, which 10%-OPIS holds against the rest,
    is drawn in another colour. Of more than 200 classes at most 200 curves are drawn, evenly by
    mean utility, and with them the mean of each tenth of the classes.

    Args:
        score: The score; without utilities (one class only, for one) the plot says so.
        title: What was scored.
        file_format: ``png`` (1200 x 900 pixels), ``svg`` or ``pdf``.
    """
    figure, ax = empty_figure()
    distance, curves = score.thresholds.cpu().numpy(), score.utility.cpu().numpy()
    drawn = curves.size > 0 and bool(np.isfinite(curves).all())
    frame_axes(
        ax, title=title, subtitle=_subtitle(score), x="distance d", y="utility U(d)", room=14
    )
    if drawn:
        # The best class first, so that the worst tenth begins where 10%-OPIS has it begin.
        worth = score.per_class()["utility"].cpu().numpy()
        curves = curves[np.argsort(-worth, kind="stable")]
        _curves(ax, distance, curves)
        _means(ax, distance, curves)
        _marks(ax, score)
        ax.set_xlim(*_view(score))
        air = 0.05 * float(np.ptp(curves)) or 0.01
        ax.set_ylim(curves.min() - air / 2, min(curves.max() + air, 1 + air / 2))
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9.5)
    else:
        ax.text(0.5, 0.5, "no class has a utility", transform=ax.transAxes, ha="center", size=12)
    return encoded_picture(figure, file_format=file_format)


def _subtitle(score: Score) -> str:
    metrics = score.metrics()
    parts = [f"{OBJECTIVES[name].label} {metrics[name]:.4g}" for name in DEFAULT_OBJECTIVES]
    parts.append(f"{len(score.classes)} classes of two samples or more")
    if math.isfinite(score.d_min) and not _in_view(score, score.operating_threshold):
        parts.append(f"operating threshold {score.operating_threshold:.3f}")
    return " · ".join(parts)


def _view(score: Score) -> tuple[float, float]:
    """Return the ends of the axis of distances: the calibration range with some air."""
    air = 0.05 * (score.d_max - score.d_min) or 0.01
    return score.d_min - air, score.d_max + air


def _in_view(score: Score, distance: float) -> bool:
    left, right = _view(score)
    return left <= distance <= right


def _curves(ax: Axes, distance: np.ndarray, curves: np.ndarray) -> None:
    """Draw a curve for each class; of many classes for every so manyth, the worst among them."""
    split = _rest(len(curves))
    step = math.ceil(len(curves) / _MOST_CURVES)
    faint = min(0.9, 0.2 + 6 / len(curves))
    some = f" (one in {step})" if step > 1 else ""
    _lines(ax, distance, curves[:split][::-step], FRONT, faint, f"class{some}")
    if len(curves) - split == 1:
        _lines(ax, distance, curves[split:], KNEE, 1.0, "worst class")
    else:
        worst = curves[split:][::-step]
        _lines(ax, distance, worst, KNEE, faint, f"class of the worst tenth{some}")


def _lines(
    ax: Axes, distance: np.ndarray, curves: np.ndarray, colour: str, alpha: float, label: str
) -> None:
    """Draw curves, and name them in the legend where they can be seen."""
    if not len(curves):
        return
    points = np.stack([np.broadcast_to(distance, curves.shape), curves], axis=-1)
    width = 0.9 if alpha < 1 else 2.0
    ax.add_collection(
        LineCollection(
            list(points), colors=colour, alpha=alpha, linewidths=width, zorder=2, rasterized=True
        )
    )
    ax.plot([], [], color=colour, alpha=max(alpha, 0.5), linewidth=width, label=label)


def _means(ax: Axes, distance: np.ndarray, curves: np.ndarray) -> None:
    """Draw the mean curve of all classes, of the worst tenth, and of every tenth of many."""
    split = _rest(len(curves))
    if len(curves) > _MOST_CURVES:
        for number, group in enumerate(np.array_split(curves[:split], _GROUPS - 1)):
            label = "mean of each other tenth" if number == 0 else None
            ax.plot(distance, group.mean(axis=0), color=FRONT, linewidth=1.3, label=label, zorder=4)
    if len(curves) - split > 1:
        worst = curves[split:].mean(axis=0)
        ax.plot(
            distance,
            worst,
            color=KNEE,
            linewidth=2.4,
            linestyle=(0, (4, 1.5)),
            label="mean of the worst tenth",
            zorder=5,
        )
    mean = curves.mean(axis=0)
    ax.plot(distance, mean, color=INK, linewidth=2.8, label="mean of all classes", zorder=6)


def _rest(classes: int) -> int:
    """Return how many of the classes are not of the worst tenth, rounded up."""
    return classes - math.ceil(classes / _GROUPS)


def _marks(ax: Axes, score: Score) -> None:
    """Mark and name the ends of the range, and the operating threshold where it is in view."""
    for name, place, style, height in (
        ("d_min", score.d_min, ":", 1.0),
        ("d_max", score.d_max, ":", 1.0),
        # Below the others' names, for it may lie beside them.
        ("operating threshold", score.operating_threshold, "-", 0.0),
    ):
        if not _in_view(score, place):
            continue
        ax.axvline(place, color="#555555", linewidth=1.1, linestyle=style, zorder=1)
        ax.annotate(
            f"{name} {place:.3f}",
            (place, height),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color="#555555",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            zorder=7,
        )
