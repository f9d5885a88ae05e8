"""Tiles of the similarity matrix processed on an accelerator."""

from typing import Final

import torch
from torch import Tensor

from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.similarity import distances_of
from objectives.pairwise.sorted_samples import SortedSamples
from objectives.retrieval import DEEPEST

__all__ = ["TorchBackend"]


class TorchBackend:
    """Torch operations over a tile, for accelerators; run on a CPU too, more slowly."""

    side: Final = 8192  # so that a tile fills a GPU

    def __init__(
        self, samples: SortedSamples, bins: DistanceBins, ranks: Ranks, counts: Tensor
    ) -> None:
        self._samples, self._bins, self._ranks, self._counts = samples, bins, ranks, counts
        self._top = 0
        self._places = torch.arange(len(samples.unit), device=samples.unit.device)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def process(self, rows: slice, columns: slice) -> None:
        """Count and rank the pairs of a tile, for the sides that are not of large classes."""
        if rows.start != self._top:
            self._ranks.raise_reach()
            self._top = rows.start
        tile = self._samples.unit[rows] @ self._samples.unit[columns].T
        reach = self._ranks.reach.clamp(max=self._bins.floor)
        near = self._samples.compared(self._places[rows], self._places[columns])
        near &= tile >= torch.minimum(reach[rows, None], reach[columns])
        row, column = near.nonzero(as_tuple=True)
        similarity = tile[row, column]
        bins = self._bin(similarity)
        ends = (row + rows.start, column + columns.start)
        for queries, matters in zip(ends, self._samples.sides(rows, columns), strict=True):
            if not matters:
                continue
            keys = self._samples.groups[queries] * self._counts.shape[1] + bins
            ones = torch.ones_like(keys, dtype=self._counts.dtype)
            self._counts.view(-1).index_add_(0, keys, ones)
            self._insert(queries, similarity)

    def _bin(self, similarity: Tensor) -> Tensor:
        bins = ((distances_of(similarity) - self._bins.low) * self._bins.scale).clamp(min=0).ceil()
        return bins.clamp(max=self._bins.count + 1).long()

    def _insert(self, queries: Tensor, similarity: Tensor) -> None:
        """Put negatives ahead of the positives that they are as near as."""
        ranks = self._ranks
        matters = similarity >= ranks.reach[queries]
        queries, similarity = queries[matters], similarity[matters]
        if not len(queries):
            return
        # The first positive that is not nearer: by bisection, all at once.
        low, high = ranks.offsets[queries], ranks.offsets[queries + 1] - 1
        for _ in range(int(ranks.offsets.diff().max()).bit_length()):
            middle = (low + high) // 2
            nearer = ranks.similarity[middle] - ranks.tolerance > similarity
            low = torch.where(nearer, (middle + 1).minimum(high), low)
            high = torch.where(nearer, high, middle)
        ranks.passed.index_add_(0, low, torch.ones_like(low, dtype=ranks.passed.dtype))
        near = ranks.similarity[low] + ranks.tolerance >= similarity
        near &= low < ranks.offsets[queries] + DEEPEST
        places = (low - ranks.offsets[queries]).to(ranks.close.dtype)
        ranks.close.scatter_reduce_(0, queries[near], places[near], "amin")
