"""Differences between trials under the same seeds, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from objectives import Objective
from sweeps.estimates.posterior import Array
from sweeps.estimates.scales import slope

__all__ = ["Difference", "paired_differences"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean difference of two trials over seeds that both were trained under.

    Attributes:
        value: The first one's mean less the second one's.
        low: Lower end of its 95 % interval; None where no pair has two seeds.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:+.2g}"
        return f"{self.value:+.2g} ± {(self.high - self.low) / 2:.1g}"

    def better(self, objective: Objective) -> bool:
        """Whether the first one is better, and the whole interval says so."""
        ends = (self.low, self.high)
        return all(end is not None and objective.sign * end < 0 for end in ends)

    def worse(self, objective: Objective) -> bool:
        """Whether the first one is worse, and the whole interval says so."""
        ends = (self.low, self.high)
        return all(end is not None and objective.sign * end > 0 for end in ends)


def paired_differences(
    pairs: Sequence[tuple[Array, Array]], objective: Objective
) -> list[Difference]:
    """Return the difference of each of P pairs, with Student's t intervals.

    How much a difference varies over seeds is estimated from all pairs together, in units of the
    slope of the objective's scale at each, for two or three seeds of one pair tell little of it.

    Args:
        pairs: For each pair two arrays of K values, K its number of seeds, in the same order.
        objective: Whose values they are.
    """
    apart = [first - second for first, second in pairs]
    levels = np.array([np.mean([first.mean(), second.mean()]) for first, second in pairs])
    units = slope(levels, objective)
    freedom = sum(len(each) - 1 for each in apart)
    values = [float(each.mean()) for each in apart]
    if not freedom:
        return [Difference(value=value) for value in values]
    off = [(each - each.mean()) / unit for each, unit in zip(apart, units, strict=True)]
    deviation = np.sqrt(sum((each**2).sum() for each in off) / freedom)
    reach = stdtrit(freedom, 0.975) * deviation
    halves = [reach * unit / np.sqrt(len(each)) for each, unit in zip(apart, units, strict=True)]
    return [
        Difference(value=value, low=float(value - half), high=float(value + half))
        for value, half in zip(values, halves, strict=True)
    ]
