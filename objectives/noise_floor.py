"""Noise floor of OPIS: what few samples a class add to it, whatever the classes are like.

The variance over groups of an estimated metric is too large by the mean of its sampling variance,
which is to be subtracted: Lum, Zhang and Bower, "De-biasing 'bias' measurement", FAccT 2022,
arXiv 2205.05770.
"""

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from objectives.consistency import mean_over_range, utility

__all__ = ["NoiseFloor", "noise_floor"]

# What is divided by is no less.
_LEAST: Final = 1e-4
# Numbers that are worked on at once: they stay in the cache, and one thread is enough.
_BLOCK: Final = 2**15


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseFloor:
    """OPIS that sampling alone would give, and OPIS less that, over the same classes.

    Attributes:
        floors: C values, one for each class that has an estimate; their mean is the floor.
        corrected: C values; their mean is OPIS of these classes less the floor.
        left_out: Number of classes with a positive pair but too few samples for an estimate.
    """

    floors: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    corrected: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    left_out: int = 0

    @property
    def classes(self) -> int:
        """Number of classes that they rest on: none, or two and more."""
        return len(self.floors)


def noise_floor(
    curves: Tensor,
    far: Tensor,
    frr: Tensor,
    variance: Tensor,
    thresholds: Tensor,
    centre: Tensor | None = None,
) -> NoiseFloor:
    """Return the floor of OPIS, and OPIS less it.

    Of the variance of sens = 1 - FRR over classes, the mean of its sampling variances is noise, and
    the rest is true. Sensitivities shrunk towards their mean until that rest is their variance are
    spread as the true ones are (constrained empirical Bayes: Louis, JASA 1984; Ghosh, JASA 1992).
    At each threshold the floor is the variance of the utilities of the measured sensitivities less
    that of the shrunken ones, both at the classes' mean FAR; over the range it is averaged as OPIS
    is. To first order it is the mean of (dU/dsens)^2 times the sampling variance, but over what the
    sensitivity of four samples ranges, U is far from straight. Where more than all of the variance
    is noise, the rest is negative, and the variance of the shrunken with it: nothing is clipped, so
    that the mean over many sets is right. The noise of FAR, which all other classes' samples
    average out, is left in OPIS: in simulations 1e-5 at most.

    The value of each class is its part of the mean, and what its weight changes in the means that
    all are shrunk by; so that an interval of the mean can be had from them.

    Args:
        curves: C x T utilities.
        far: C x T false acceptance rates.
        frr: C x T false rejection rates.
        variance: C x T sampling variances of 1 - FRR; NaN for classes to leave out.
        thresholds: T ascending distances.
        centre: T, the curve that OPIS compares with; the mean over the classes if None.

    Returns:
        The floor, of no class where fewer than two have an estimate.
    """
    counted = ~variance.isnan().any(1)
    left_out = int((~counted).sum())
    if int(counted.sum()) < 2:
        return NoiseFloor(left_out=left_out)
    curves, spec = curves[counted], 1 - far[counted].mean(0)[:, None]
    steps = max(1, _BLOCK // len(curves))
    rates = (1 - frr[counted].T.contiguous(), variance[counted].T.contiguous(), spec)
    parts = zip(*(rate.split(steps) for rate in rates), strict=True)
    noise = torch.cat([_noise(*part) for part in parts]).T
    plain = (curves - (curves.mean(0) if centre is None else centre)).square()
    return NoiseFloor(
        floors=mean_over_range(noise, thresholds),
        corrected=mean_over_range(plain - noise, thresholds),
        left_out=left_out,
    )


def _noise(sens: Tensor, variance: Tensor, spec: Tensor) -> Tensor:
    """Return the parts, T x C, of what noise adds to the variance of utilities.

    Args:
        sens: T x C measured sensitivities.
        variance: T x C, their sampling variances.
        spec: T x 1 specificities, the same for all classes.
    """
    measured = utility(1 - spec, 1 - sens)
    return _deviation(measured).square() - _shrunken(sens, variance, spec)


def _shrunken(sens: Tensor, variance: Tensor, spec: Tensor) -> Tensor:
    """Return the parts, T x C, of the variance of utilities of shrunken sensitivities.

    Their mean is the variance; how they differ is how it changes with the weight of each class.
    """
    deviation = _deviation(sens)
    square = deviation.square()
    spread = square.mean(1, keepdim=True)
    # Deviations from the classes' own mean hold less of the noise than those from the true one.
    noise = variance * (1 - 1 / sens.shape[1])
    some = spread > 0
    spread = spread.where(some, 1.0)
    true = torch.where(some, 1 - noise.mean(1, keepdim=True) / spread, 1.0)
    factor = true.abs().sqrt().clamp(min=_LEAST)
    shrunken = (sens + (factor - 1) * deviation).clamp(0, 1)
    about = _deviation(utility(1 - spec, 1 - shrunken))
    slope = 2 * (spec / (spec + shrunken).clamp(min=_LEAST)).square()
    bent = about * slope
    of_mean = 2 * bent.mean(1, keepdim=True) * (1 - factor) * deviation
    share = (1 - true) * (square / spread - 1) - _deviation(noise) / spread
    of_true = (bent * deviation).mean(1, keepdim=True) / factor * share
    return true.sign() * (about.square() + of_mean) + of_true


def _deviation(values: Tensor) -> Tensor:
    """Return how far T x C values lie from their means over classes."""
    return values - values.mean(1, keepdim=True)
