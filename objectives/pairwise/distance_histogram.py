"""Pairs of a block of similarities counted by distance, in float64."""

import math

import torch
from torch import Tensor

from objectives.pairwise.similarity import SimilarityBlock

__all__ = ["DistanceHistogram", "count_within"]

# Distances that differ by less than float64 rounding makes them differ are equal.
_ROUNDING = 1e-9


class DistanceHistogram:
    """Distances of negative pairs, counted in bins that are finer where distances are small.

    From it comes the distance at which a wanted share of all negative pairs is accepted, exact to
    the width of a bin (2e-6 at distance 1 and above, 1e-8 near 0), always rounded up so that the
    share is reached.

    Args:
        device: Where the blocks are.
    """

    # A bin is what the upper bits of float32(distance + 2**-8) say: exponent and 19 bits of the
    # significand. The offset keeps the number of exponents, and so of bins, small.
    _OFFSET = 2.0**-8
    _DROPPED_BITS = 4
    _FIRST = (127 - 8) << 19
    _BINS = (10 << 19) + 1

    def __init__(self, device: torch.device) -> None:
        self._counts = torch.zeros(self._BINS, dtype=torch.int64, device=device)
        self._sums: Tensor | None = None

    def add(self, block: SimilarityBlock) -> None:
        """Count the negative pairs of a block."""
        bits = (block.distance + self._OFFSET).float().view(torch.int32)
        bins = bits.bitwise_right_shift_(self._DROPPED_BITS).sub_(self._FIRST)
        # The others go to a bin of their own: quicker than picking the many negatives.
        bins.masked_fill_(~block.negative, self._BINS)
        self._counts += bins.view(-1).bincount(minlength=self._BINS + 1)[:-1]
        self._sums = None

    def distance_at(self, far: float) -> float:
        """Smallest distance at which the pooled FAR is `far` or more; NaN without a negative."""
        if self._sums is None:
            self._sums = self._counts.cumsum(0)
        within = self._sums
        if within[-1] == 0:
            return math.nan
        wanted = math.ceil(int(within[-1]) * far * (1 - 1e-12))
        reached = int(torch.searchsorted(within, wanted))
        upper = torch.tensor((self._FIRST + reached + 1) << self._DROPPED_BITS, dtype=torch.int32)
        return min(2.0, float(upper.view(torch.float32)) - self._OFFSET)


def count_within(
    block: SimilarityBlock, mask: Tensor, classes: Tensor, thresholds: Tensor, counts: Tensor
) -> None:
    """Add to `counts` the pairs of a block, by class of the query and by distance.

    Args:
        block: B queries.
        mask: B x N; the pairs to count.
        classes: N class numbers in [0, C).
        thresholds: T ascending distances.
        counts: C x (T + 1) int64, changed in place; column t gets the pairs with distance in
            (thresholds[t - 1], thresholds[t]], the last one those beyond.
    """
    reach = thresholds + _ROUNDING
    near = mask & (block.distance <= reach[-1])
    rows = classes[block.queries]
    flat = rows[:, None].expand_as(mask)[near] * counts.shape[1]
    flat += torch.bucketize(block.distance[near], reach)
    counts += flat.bincount(minlength=counts.numel()).view_as(counts)
    counts[:, -1].index_add_(0, rows, mask.sum(1) - near.sum(1))
