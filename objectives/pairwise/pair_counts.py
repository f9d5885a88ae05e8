"""Pairs of samples counted by distance, tile by tile of the similarity matrix or by whole rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from objectives.pairwise.cpu_backend import CpuBackend
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.sorted_samples import SortedSamples
from objectives.pairwise.torch_backend import TorchBackend
from objectives.pairwise.whole_rows import WholeRows
from objectives.progress import Progress

__all__ = ["PairCounts", "count_pairs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PairCounts:
    """Pairs within the edges of bins.

    Attributes:
        edges: E ascending distances.
        negatives: G x E integers; the negative pairs with an end in each group, within each edge. A
            pair between two groups counts for both, one between two classes of one group twice
            for that.
        positives: L x E int64; the positive pairs of each large class.
    """

    edges: Tensor
    negatives: Tensor
    positives: Tensor

    @cached_property
    def pooled(self) -> Tensor:
        """E int64; negative pairs within each edge, each from both of its ends."""
        # By parts: a sum of int32 makes an int64 copy of all first.
        return torch.stack([part.sum(0) for part in self.negatives.split(1024)]).sum(0)

    @property
    def step(self) -> float:
        """Distance between two edges."""
        return float(self.edges[1] - self.edges[0])


def count_pairs(
    samples: SortedSamples, bins: DistanceBins, ranks: Ranks, progress: Progress
) -> PairCounts:
    """Compare the samples: count each negative pair and those within large classes, and rank.

    Args:
        samples: N samples; where only some are rows, each is paired with each column only.
        bins: The distances that are counted up to.
        ranks: Changed in place.
        progress: Gets the share done.
    """
    most = int(samples.groups.bincount().max()) * len(samples.unit)
    dtype = torch.int32 if most < 2**31 else torch.int64
    device = samples.unit.device
    negatives = torch.zeros(samples.group_count, bins.count + 2, dtype=dtype, device=device)
    positives = torch.zeros(samples.large, bins.count + 2, dtype=torch.int64, device=device)
    backend = (CpuBackend if device.type == "cpu" else TorchBackend)(
        samples, bins, ranks, negatives
    )
    rows = WholeRows(samples, bins, ranks, negatives, positives)
    tiles = list(_tiles(samples, backend.side))
    area = rows.area + sum(_area(*tile) for tile in tiles)
    done = 0

    def advance(compared: int) -> None:
        nonlocal done
        done += compared
        progress(done / area)

    rows.compare(advance)
    with backend:
        for tile in tiles:
            backend.process(*tile)
            advance(_area(*tile))
    return PairCounts(
        edges=bins.edges.to(device),
        negatives=negatives.cumsum_(1)[:, :-1],
        positives=positives.cumsum_(1)[:, :-1],
    )


def _tiles(samples: SortedSamples, side: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of each tile with a class that is not large on either side.

    Of a square, those on and above the diagonal. No tile has both kinds of classes on one side.
    """
    height, n = samples.rows, len(samples.unit)
    middle, split = samples.large_rows, samples.first_column + samples.large_columns
    for rows in (*_parts(0, middle, side), *_parts(middle, height, side)):
        left = rows.start if samples.is_square else samples.first_column
        left = split if rows.start < middle else left
        for columns in (*_parts(left, split, side), *_parts(max(left, split), n, side)):
            yield rows, columns


def _parts(start: int, stop: int, side: int) -> Iterator[slice]:
    for first in range(start, stop, side):
        yield slice(first, min(first + side, stop))


def _area(rows: slice, columns: slice) -> int:
    return int((rows.stop - rows.start) * (columns.stop - columns.start))
