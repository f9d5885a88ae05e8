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
    all are shrunk by; so the mean has the interval that Student's t gives it.

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
    curves, frr, variance = curves[counted], frr[counted], variance[counted]
    mean_far = far[counted].mean(0)
    measured = utility(mean_far.expand_as(frr), frr)
    noise = (measured - measured.mean(0)).square() - _shrunken(1 - frr, variance, 1 - mean_far)
    plain = (curves - (curves.mean(0) if centre is None else centre)).square()
    return NoiseFloor(
        floors=mean_over_range(noise, thresholds),
        corrected=mean_over_range(plain - noise, thresholds),
        left_out=left_out,
    )


def _shrunken(sens: Tensor, variance: Tensor, spec: Tensor) -> Tensor:
    """Return C x T parts of the variance of utilities of shrunken sensitivities.

    Their mean is the variance; how they differ is how it changes with the weight of each class.

    Args:
        sens: C x T measured sensitivities.
        variance: C x T, their sampling variances.
        spec: T specificities, the same for all classes.
    """
    mean = sens.mean(0)
    deviation = sens - mean
    spread = deviation.square().mean(0)
    # Deviations from the classes' own mean hold less of the noise than those from the true one.
    noise = variance * (1 - 1 / len(sens))
    some = spread > 0
    spread = spread.where(some, 1.0)
    true = torch.where(some, 1 - noise.mean(0) / spread, 1.0)
    factor = true.abs().sqrt().clamp(min=_LEAST)
    shrunken = (mean + factor * deviation).clamp(0, 1)
    values = utility((1 - spec).expand_as(sens), 1 - shrunken)
    about = values - values.mean(0)
    slope = 2 * (spec / (spec + shrunken).clamp(min=_LEAST)).square()
    of_mean = 2 * (about * slope).mean(0) * (1 - factor) * deviation
    share = (1 - true) * (deviation.square() / spread - 1) - (noise - noise.mean(0)) / spread
    of_true = (about * slope * deviation).mean(0) / factor * share
    return true.sign() * (about.square() + of_mean) + of_true
