"""Differences between trials under the same seeds, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from objectives import Objective
from sweeps.estimates.posterior import Array
from sweeps.estimates.scales import slope

__all__ = ["Difference", "paired_differences"]


_NO_NOISE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean difference of two trials over seeds that both were trained under.

    Attributes:
        value: The first one's mean less the second one's.
        low: Lower end of its 95 % interval; None where nothing tells how noisy it is.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:+.2g}"
        return f"{self.value:+.2g} ± {(self.high - self.low) / 2:.1g}"

    @property
    def is_known(self) -> bool:
        """Whether it has an interval."""
        return self.low is not None

    def better(self, objective: Objective) -> bool:
        """Whether the first one is better, and the whole interval says so."""
        ends = (self.low, self.high)
        return all(end is not None and objective.sign * end < 0 for end in ends)

    def worse(self, objective: Objective) -> bool:
        """Whether the first one is worse, and the whole interval says so."""
        ends = (self.low, self.high)
        return all(end is not None and objective.sign * end > 0 for end in ends)


def paired_differences(
    values: Mapping[int, Mapping[int, float]],
    pairs: Sequence[tuple[int, int]],
    objective: Objective,
    *,
    runs: Mapping[int, Mapping[int, float]] | None = None,
) -> list[Difference]:
    """Return the difference of each of P pairs of trials, with Student's t intervals.

    Two or three seeds of one pair tell little of the noise, so it is pooled: in each family of
    trials that pairs connect a value is taken to be what its trial and its seed add up to, and
    noise, in units of the slope of the objective's scale there. Of a single pair this is the paired
    t-test. (The pairs themselves are not pooled: those that share a trial are not independent.)

    Args:
        values: By trial and seed.
        pairs: Numbers of trials that have a seed in common.
        objective: Whose values they are.
        runs: By trial and seed, all that tell of the noise of these trials; None: the values.
    """
    runs = values if runs is None else runs
    means = [_mean_difference(values[one], values[other]) for one, other in pairs]
    squares, freedom = 0.0, 0
    units: dict[int, float] = {}
    for family in _families(pairs):
        level = np.mean([value for number in family for value in runs[number].values()])
        unit = float(slope(np.array([level]), objective)[0])
        units |= dict.fromkeys(family, unit)
        off, free = _noise({number: runs[number] for number in family})
        squares, freedom = squares + off / unit**2, freedom + free
    # Shares of few samples can agree exactly, which is no proof of anything.
    if not freedom or squares / freedom < _NO_NOISE**2:
        return [Difference(value=value) for value, _ in means]
    reach = stdtrit(freedom, 0.975) * np.sqrt(2 * squares / freedom)
    halves = [
        float(reach * units[one] / np.sqrt(seeds))
        for (one, _), (_, seeds) in zip(pairs, means, strict=True)
    ]
    return [
        Difference(value=value, low=value - half, high=value + half)
        for (value, _), half in zip(means, halves, strict=True)
    ]


def _mean_difference(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, int]:
    """Return the mean difference over common seeds, and their number."""
    apart = [value - other[seed] for seed, value in one.items() if seed in other]
    return float(np.mean(apart)), len(apart)


def _families(pairs: Sequence[tuple[int, int]]) -> Iterator[set[int]]:
    """Yield the sets of trials that pairs connect."""
    families: list[set[int]] = []
    for pair in pairs:
        joined = [family for family in families if family & {*pair}]
        families = [family for family in families if family not in joined]
        families.append(set(pair).union(*joined))
    yield from families


def _noise(values: Mapping[int, Mapping[int, float]]) -> tuple[float, int]:
    """Return the sum of squares of what trials and seeds do not explain, and its freedom."""
    trials, seeds = list(values), sorted({seed for of in values.values() for seed in of})
    cells = [(n, s, value) for n, of in values.items() for s, value in of.items()]
    design: Array = np.zeros((len(cells), len(trials) + len(seeds)))
    for row, (number, seed, _) in enumerate(cells):
        design[row, trials.index(number)] = design[row, len(trials) + seeds.index(seed)] = 1
    measured = np.array([value for *_, value in cells])
    fitted, _, rank, _ = np.linalg.lstsq(design, measured, rcond=None)
    off = measured - design @ fitted
    return float(off @ off), len(cells) - int(rank)
