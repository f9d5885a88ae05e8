"""Distances at false acceptance rates, estimated from some of the negative pairs."""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.sorted_samples import SortedSamples

__all__ = ["DistanceEstimate"]

# Samples: fewest, most, and one in how many between.
_FEWEST: Final = 2048
_MOST: Final = 8192
_SHARE: Final = 20
# Samples drawn that tell the negatives: the negatives of one, on average. So it is of two classes.
_ENOUGH: Final = _FEWEST // 2
# Kept on both sides of the bins, for distances that are all the same.
_ROOM: Final = 1e-5


class DistanceEstimate:
    """Similarities of the negative pairs of some samples, drawn alike from equal sets.

    Args:
        samples: N samples.
    """

    def __init__(self, samples: SortedSamples) -> None:
        unit = samples.unit
        rows = _drawn(0, samples.rows, unit.device)
        columns = rows if samples.is_square else _drawn(samples.rows, len(unit), unit.device)
        values = (unit[rows] @ unit[columns].T)[samples.compared(rows, columns)]
        ends = len(values) * (2 if samples.is_square else 1)
        # Samples of a side that was drawn whole are as many as there are.
        sides = [
            (len(columns), len(rows) < samples.rows),
            (len(rows), len(columns) < len(unit) - samples.first_column),
        ]
        told = min((ends / max(n, 1) for n, is_part in sides if is_part), default=_ENOUGH)
        self._doubt = max(1.0, math.sqrt(_ENOUGH / max(told, 1.0)))
        on_cpu = values.device.type == "cpu"  # where numpy sorts ten times as fast as torch
        self._ascending = np.sort(values.numpy()) if on_cpu else values.sort().values

    def __len__(self) -> int:
        """Return the number of pairs that it rests on."""
        return len(self._ascending)

    def distances(self, *fars: float) -> list[float]:
        """Return the distances within which these shares of the pairs lie."""
        last = len(self) - 1
        places = [last - min(max(math.ceil(far * len(self)) - 1, 0), last) for far in fars]
        values = [float(self._ascending[place]) for place in places]
        return [math.sqrt(min(max(2 - 2 * value, 0.0), 4.0)) for value in values]

    def bins(self, far_low: float, far_high: float, *, slack: float, count: int) -> DistanceBins:
        """Return bins that the distances at both FARs of all pairs should lie within.

        Args:
            far_low: The smaller FAR.
            far_high: The greater FAR, or the same.
            slack: How far off the estimated FARs may be, a factor above 1; more where most samples
                are of one class, so that the others, of which few were drawn, tell the negatives.
            count: Number of bins.
        """
        slack *= self._doubt
        few = 4 * math.sqrt(len(self)) / len(self)
        lower = far_low / slack - few * math.sqrt(far_low)
        upper = far_high * slack + few * math.sqrt(far_high)
        low, high = self.distances(max(lower, 0.0), min(upper, 1.0))
        return DistanceBins(
            low=max(0.0, low - _ROOM) if lower * len(self) >= 1 else 0.0,
            high=min(2.0, high + _ROOM) if upper < 1 else 2.0,
            count=count,
        )


def _drawn(start: int, stop: int, device: torch.device) -> Tensor:
    """Return some ascending row numbers from `start` to `stop`."""
    n = stop - start
    count = min(n, max(_FEWEST, n // _SHARE), _MOST)
    permutation = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return start + permutation[:count].sort().values.to(device)
