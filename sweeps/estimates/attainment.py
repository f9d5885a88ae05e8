"""Attainment: how good a second value goes with each first one, and how sure that is."""

from collections.abc import Sequence

import numpy as np

from sweeps.estimates.posterior import Array

__all__ = ["attained"]


def attained(points: Array, signs: Array, first: Array, levels: Sequence[float]) -> Array:
    """Return quantiles of the best second value beside a first value or a better one, L x G.

    These are the quantiles of the empirical attainment function (Grunert da Fonseca et al., 2001)
    of fronts that were drawn, read along the second objective.

    Args:
        points: K x N x 2, the values of N configurations in each of K draws.
        signs: 2, +1 where less is better, -1 where more is.
        first: G, values of the first objective.
        levels: L shares of the draws, that attain what is returned or better; where fewer attain
            anything it is infinite, on the worse side.
    """
    costs = points * signs
    order = np.argsort(costs[..., 0], axis=-1)
    ascending = np.take_along_axis(costs[..., 0], order, -1)
    least = np.minimum.accumulate(np.take_along_axis(costs[..., 1], order, -1), axis=-1)
    least = np.concatenate([np.full((len(costs), 1), np.inf), least], axis=-1)
    wanted = first * signs[0]
    reached = np.stack([np.searchsorted(row, wanted, side="right") for row in ascending])
    best = np.take_along_axis(least, reached, -1)
    found: Array = signs[1] * np.quantile(best, levels, axis=0, method="inverted_cdf")
    return found
