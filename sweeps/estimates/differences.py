"""Differences between trials under the same seeds, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from objectives import Objective
from sweeps.estimates.scales import scaled, slope

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

    Two or three seeds of one pair tell little of the noise, so it is pooled over all runs: on the
    objective's scale a value is taken to be what its trial and its seed add up to, and noise. Of a
    single pair on a linear scale this is the paired t-test. (The pairs themselves are not pooled:
    those that share a trial are not independent.)

    Args:
        values: By trial and seed.
        pairs: Numbers of trials that have a seed in common.
        objective: Whose values they are.
        runs: By trial and seed, all that tell of the noise; None: the values.
    """
    variance, freedom = _noise(values if runs is None else runs, objective)
    means = [_mean_difference(values[one], values[other]) for one, other in pairs]
    # Shares of few samples can agree exactly, which is no proof of anything.
    if not freedom or variance < _NO_NOISE**2:
        return [Difference(value=value) for value, _ in means]
    reach = float(stdtrit(freedom, 0.975) * np.sqrt(variance))
    found = []
    for pair, (value, seeds) in zip(pairs, means, strict=True):
        levels = np.array([np.mean([*values[number].values()]) for number in pair])
        half = reach * float(np.linalg.norm(slope(levels, objective))) / seeds**0.5
        found.append(Difference(value=value, low=value - half, high=value + half))
    return found


def _mean_difference(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, int]:
    """Return the mean difference over common seeds, and their number."""
    apart = [value - other[seed] for seed, value in one.items() if seed in other]
    return float(np.mean(apart)), len(apart)


def _noise(values: Mapping[int, Mapping[int, float]], objective: Objective) -> tuple[float, int]:
    """Return the variance of what trials and seeds do not explain, on the scale, and its freedom.

    Trials are taken out by their means first, so that thousands of them cost no more than the seeds
    do.
    """
    held = [list(of.items()) for of in values.values() if len(of) > 1]
    if not held:
        return 0.0, 0
    seeds = sorted({seed for of in held for seed, _ in of})
    cells, kinds = [], []
    for of in held:
        measured = scaled(np.array([[value] for _, value in of]), [objective])[:, 0]
        of_seed = np.array([[seed == each for each in seeds] for seed, _ in of], float)
        cells.append(measured - measured.mean())
        kinds.append(of_seed - of_seed.mean(0))
    around, design = np.concatenate(cells), np.concatenate(kinds)
    fitted, _, rank, _ = np.linalg.lstsq(design, around)
    off = around - design @ fitted
    freedom = len(around) - len(held) - int(rank)
    return float(off @ off) / max(freedom, 1), freedom
