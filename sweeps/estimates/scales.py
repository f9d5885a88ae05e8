"""Scales on which a seed adds about the same noise to good and to bad values.

Recall is a share: its noise shrinks towards 1, and evens out as log-odds. OPIS is positive, and its
noise is in proportion to it: it evens out as a logarithm.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from objectives import Objective
from sweeps.estimates.posterior import Array

__all__ = ["scaled", "slope", "unscaled"]

# A share or a positive value of exactly 0 or 1 is taken to be this far from it.
_EDGE: Final = 1e-4
_SMALLEST: Final = 1e-9


def scaled(values: Array, objectives: Sequence[Objective]) -> Array:
    """Map values, ``... x 2``, to the scales of their objectives; order is kept."""
    columns = []
    for place, objective in enumerate(objectives):
        value = values[..., place]
        if objective.scale == "log":
            value = np.log(np.maximum(value, _SMALLEST))
        elif objective.scale == "logit":
            share = np.clip(value, _EDGE, 1 - _EDGE)
            value = np.log(share / (1 - share))
        columns.append(value)
    return np.stack(columns, axis=-1)


def unscaled(points: Array, objectives: Sequence[Objective], *, noise: Array) -> Array:
    """Map true values on the scales, ``... x 2``, to the means over seeds that they amount to.

    The mean of a curved function of noisy values is not the function of their mean; its second
    order is taken into account (for a logarithm exactly).

    Args:
        points: On the scales.
        objectives: The two.
        noise: 2 x 2, the covariance that a seed adds on the scales.
    """
    columns = []
    for place, objective in enumerate(objectives):
        point, variance = points[..., place], noise[place, place]
        if objective.scale == "log":
            point = np.exp(point + variance / 2)
        elif objective.scale == "logit":
            share = 1 / (1 + np.exp(-point))
            point = share + variance / 2 * share * (1 - share) * (1 - 2 * share)
        columns.append(point)
    return np.stack(columns, axis=-1)


def slope(levels: Array, objective: Objective) -> Array:
    """Return by how much an objective's values change, at some of them, with a unit of its scale.

    Args:
        levels: N values.
        objective: The objective.
    """
    if objective.scale == "log":
        return np.maximum(levels, _SMALLEST)
    if objective.scale == "logit":
        share = np.clip(levels, _EDGE, 1 - _EDGE)
        return np.asarray(share * (1 - share))
    return np.ones_like(levels)
