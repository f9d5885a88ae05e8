"""Search for the distances at which wanted false acceptance rates are reached."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from objectives.calibration import Calibration
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.distance_estimate import DistanceEstimate
from objectives.pairwise.pair_counts import PairCounts, count_pairs
from objectives.pairwise.ranks import Ranks, no_ranks
from objectives.pairwise.sorted_samples import SortedSamples
from objectives.progress import Progress, ignore_progress

__all__ = ["FarSearch"]

# What float32 similarities may be wrong by.
_ROUNDING: Final = 1e-7
# What distances are told apart to without a second count.
_FINE: Final = 1e-5
# Bins of a class, and of all classes together: least and most.
_BINS: Final = (800, 8192)
_COUNTS: Final = (2**22, 2**26)


@dataclass(frozen=True, kw_only=True, eq=False)
class FarSearch:
    """A search over the negative pairs of a set of samples.

    Attributes:
        samples: The N samples, sorted.
        estimate: Of the distances, by some negative pairs.
        pairs: Number of negative pairs, each from both of its ends.
    """

    samples: SortedSamples
    estimate: DistanceEstimate
    pairs: int

    def is_blurred(self, calibration: Calibration) -> bool:
        """Whether rounding moves distances by a hundredth of a step between thresholds."""
        fars = (calibration.far_min, calibration.far_max, calibration.operating_far)
        low, high, operating = self.estimate.distances(*fars)
        low, high = calibration.span or (low, high)
        step = (high - low) / (calibration.thresholds - 1)
        return min((low + step) * step, operating * 1e-3) < 100 * _ROUNDING

    def locate(
        self, fars: tuple[float, float], *, steps: int, ranks: Ranks, progress: Progress
    ) -> PairCounts:
        """Count in bins that hold the distances at both FARs.

        Where the estimate is too far off, it counts again, but does not rank again.

        Args:
            fars: The smaller FAR and the greater, or the same twice.
            steps: Steps between thresholds that the bins have to hold between them.
            ranks: Changed in place.
            progress: Gets the share done.
        """
        slack, count = 1.25, self._bin_count(steps)
        bins = self.estimate.bins(*fars, slack=slack, count=count)
        counts = self.count(bins, ranks, progress)
        while not self._holds(counts, fars):
            slack *= 4
            counts = self.count(self.estimate.bins(*fars, slack=slack, count=count))
        first, last = self.reached(counts, *fars).tolist()
        if last - first < 4 * steps or (steps == 0 and counts.step > _FINE):
            low, high = counts.edges[[max(first - 1, 0), last]].tolist()
            # Finer than rounding, edges would part distances that are the same.
            count = min(count, max(8 * steps, math.ceil((high - low) / _FINE)))
            closer = self.count(DistanceBins(low=low, high=high, count=count))
            counts = closer if self._holds(closer, fars) else counts
        return counts

    def locate_one(self, far: float) -> tuple[PairCounts, Tensor]:
        """Count in bins around one FAR; return the counts, and where in them it is reached."""
        ranks = self._no_ranks
        counts = self.locate((far, far), steps=0, ranks=ranks, progress=ignore_progress)
        return counts, self.reached(counts, far)

    def count(
        self, bins: DistanceBins, ranks: Ranks | None = None, progress: Progress = ignore_progress
    ) -> PairCounts:
        """Count in bins, and rank where ranks are given."""
        return count_pairs(self.samples, bins, ranks or self._no_ranks, progress)

    def reached(self, counts: PairCounts, *fars: float) -> Tensor:
        """Return the first edges at which the pooled FARs are reached."""
        wanted = torch.tensor([self._wanted(far) for far in fars], device=counts.pooled.device)
        return torch.searchsorted(counts.pooled, wanted)

    def _holds(self, counts: PairCounts, fars: tuple[float, float]) -> bool:
        """Whether the first edge is within the smaller FAR, and the last beyond the greater."""
        low = float(counts.edges[0]) == 0 or int(counts.pooled[0]) < self._wanted(fars[0])
        return low and int(counts.pooled[-1]) >= self._wanted(fars[1])

    def _wanted(self, far: float) -> int:
        """Return how many pairs, from both ends, are this share."""
        return math.ceil(self.pairs * far * (1 - 1e-12))

    @property
    def _no_ranks(self) -> Ranks:
        return no_ranks(len(self.samples.unit), self.samples.unit.device)

    def _bin_count(self, steps: int) -> int:
        """Return as many bins as there is room for, and no less than 8 for each step."""
        counts = min(max(len(self.samples.unit) ** 2 // 64, _COUNTS[0]), _COUNTS[1])
        bins = min(max(counts // self.samples.group_count, _BINS[0]), _BINS[1])
        return max(bins, 8 * steps)
