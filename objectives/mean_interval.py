"""Confidence interval of the mean over classes of values that a few classes may make up."""

import math
from statistics import NormalDist

from torch import Tensor

__all__ = ["mean_interval"]


def mean_interval(values: Tensor, level: float) -> tuple[float, float]:
    """Return the wider of Student's interval and Hall's, end by end.

    Student's misses a mean that rests on few values far above the others, for a set of classes
    that lacks them has a small mean and a small deviation at once; Hall's transformation (JRSS B,
    1992) allows for such skewness, but is short at the other end.

    Args:
        values: C values of classes.
        level: Share of sets of classes whose interval is to hold the true mean, in (0, 1).

    Returns:
        Its ends; NaN of less than two values.
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    mean, deviation = float(values.mean()), float(values.std())
    reach = _t_quantile((1 + level) / 2, n - 1) / math.sqrt(n)
    cubes = float((values - mean).pow(3).mean())
    skewness = cubes / deviation**3 if deviation else 0.0
    low = max(reach, _untransformed(reach, skewness, n))
    high = min(-reach, _untransformed(-reach, skewness, n))
    return mean - deviation * low, mean - deviation * high


def _untransformed(value: float, skewness: float, n: int) -> float:
    """Return where Hall's cubic transformation of the studentised mean has this value."""
    if abs(skewness) < 1e-6:
        return value
    inner = 1 + skewness * (value - skewness / (6 * n))
    return 3 / skewness * (math.copysign(abs(inner) ** (1 / 3), inner) - 1)


def _t_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t, by Fisher's expansion: to 1 % from 3 degrees on at 95 %."""
    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
