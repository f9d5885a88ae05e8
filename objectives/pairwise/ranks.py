"""Ranks of each sample's positives, kept up to date while tiles of similarities come by."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from objectives.pairwise.sorted_samples import SortedSamples
from objectives.retrieval import DEEPEST

__all__ = ["OUT_OF_RANGE", "Ranks", "no_ranks", "rank_within_classes"]

# A similarity that no pair has.
OUT_OF_RANGE: Final = 4.0
_BLOCK_BYTES: Final = 64 * 2**20
# Positives that are worked on at once.
_BLOCK: Final = 2**22


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """The positives of N samples, and the negatives that come before them.

    The first M samples are of large classes: their positives are too many to be held, and whole
    rows tell their ranks at once. Of the others:

    A negative is counted once, at the nearest positive that it is ahead of; it is ahead of all
    farther ones too. Positives that can no longer count (their rank is beyond both R and Recall@k's
    largest k) are dropped on the way, so that ever fewer negatives count.

    Attributes:
        similarity: P float32; the positives' similarities, sample by sample, nearest first.
        offsets: N + 1 int64; where each sample's positives begin.
        tolerance: Similarities closer than this may be a tie, or in the other order.
        first: M int64; first ranks of the samples of large classes.
        precision: M float64; their MAP@R.
        passed: P int32; negatives as near as this positive, but not as the one before it.
        reach: N float32; the least similarity of a negative that matters.
        pending: N int32; negatives counted since the reach was last raised.
        close: N int32; place, from 0, of the nearest positive of which float32 leaves open which
            negatives are ahead of it; 16 where it is none of the 16 nearest.
    """

    similarity: Tensor
    offsets: Tensor
    tolerance: float
    first: Tensor
    precision: Tensor
    passed: Tensor = field(init=False)
    reach: Tensor = field(init=False)
    pending: Tensor = field(init=False)
    close: Tensor = field(init=False)

    def __post_init__(self) -> None:
        counts = self.offsets.diff()
        state = {
            "passed": torch.zeros_like(self.similarity, dtype=torch.int32),
            "reach": self._reach(counts),
            "pending": torch.zeros_like(counts, dtype=torch.int32),
            "close": torch.full_like(counts, DEEPEST, dtype=torch.int32),
        }
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def results(self) -> tuple[Tensor, Tensor]:
        """Return first rank (int64) and MAP@R (float64) of each sample; see `PairStatistics`."""
        parts = [self._results(start, stop) for start, stop in self._blocks()]
        first, precision = (torch.cat(values) for values in zip(*parts, strict=True))
        first[: len(self.first)], precision[: len(self.first)] = self.first, self.precision
        return first, precision

    def undecided(self) -> Tensor:
        """Return the numbers of the samples of which it matters what float32 leaves open."""
        parts = [self._undecided(start, stop) for start, stop in self._blocks()]
        return torch.cat(parts)

    def raise_reach(self) -> None:
        """Raise the reach of every sample by what was counted."""
        kept = []
        for start, stop in self._blocks():
            counts, orders, ranks = self._orders(start, stop)
            r = counts.repeat_interleave(counts)
            limit = torch.where(orders == 1, r.clamp(min=DEEPEST), r)
            kept.append(_sums((ranks <= limit).double(), counts).long())
        self.reach.copy_(self._reach(torch.cat(kept)))

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of samples with some millions of positives each, or one with more."""
        n = len(self.offsets) - 1
        wanted = torch.tensor(range(_BLOCK, int(self.offsets[-1]), _BLOCK), dtype=torch.int64)
        cuts = torch.searchsorted(self.offsets, wanted.to(self.offsets.device)).tolist()
        return pairwise(sorted({0, n, *cuts}))

    def _results(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        counts, orders, ranks = self._orders(start, stop)
        precision = torch.where(
            ranks <= counts.repeat_interleave(counts), orders / ranks.double(), 0.0
        )
        first = torch.zeros_like(counts)
        first[counts > 0] = ranks[orders == 1]
        return first, _sums(precision, counts) / counts

    def _undecided(self, start: int, stop: int) -> Tensor:
        counts, _, ranks = self._orders(start, stop)
        samples = (self.close[start:stop] < DEEPEST).nonzero()[:, 0]
        close, r = self.close[start:stop][samples], counts[samples]
        places = self.offsets[start:stop][samples] + close
        # All that is counted at this positive may be behind it.
        least = ranks[places - self.offsets[start]] - self.passed[places]
        return start + samples[least <= torch.where(close == 0, r.clamp(min=DEEPEST), r)]

    def _orders(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return how many positives each of these samples has; of each, its place and its rank."""
        offsets = self.offsets[start : stop + 1]
        counts, here = offsets.diff(), slice(int(offsets[0]), int(offsets[-1]))
        before = (offsets[:-1] - offsets[0]).repeat_interleave(counts)
        orders = torch.arange(1, len(before) + 1, device=before.device) - before
        total = torch.nn.functional.pad(self.passed[here].cumsum(0), (1, 0))
        return counts, orders, orders + total[1:] - total[before]

    def _reach(self, alive: Tensor) -> Tensor:
        """Return the reach of samples whose first so many positives count."""
        if not len(self.similarity):
            return torch.full_like(alive, OUT_OF_RANGE, dtype=torch.float32)
        last = (self.offsets[:-1] + alive - 1).clamp(0, len(self.similarity) - 1)
        return torch.where(alive > 0, self.similarity[last] - self.tolerance, OUT_OF_RANGE)


def _sums(values: Tensor, counts: Tensor) -> Tensor:
    """Sum so many consecutive values each; always in the same order, as index_add is not."""
    sums: Tensor = torch.segment_reduce(values, "sum", lengths=counts, initial=0.0)
    return sums


def no_ranks(samples: int, device: torch.device) -> Ranks:
    """Return the state of a pass that only counts."""
    offsets = torch.zeros(samples + 1, dtype=torch.int64, device=device)
    nothing = torch.zeros(0, dtype=torch.float32, device=device)
    return Ranks(
        similarity=nothing, offsets=offsets, tolerance=0.0, first=nothing.long(), precision=nothing
    )


def rank_within_classes(samples: SortedSamples) -> Ranks:
    """Sort the positives of each sample; of queries and a gallery, of each query.

    Those of large classes are left out.
    """
    unit, blocks, large = samples.unit, samples.blocks[samples.large :], samples.large_rows
    itself = 1 if samples.is_square else 0
    counts = torch.zeros(len(unit), dtype=torch.int64, device=unit.device)
    paired = int(blocks[:, 1].sum())
    counts[large : large + paired] = (blocks[:, 3] - itself).repeat_interleave(blocks[:, 1])
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    similarity = torch.empty(int(offsets[-1]), dtype=unit.dtype, device=unit.device)
    for height, width in blocks[:, 1::2].unique(dim=0).tolist():
        places = torch.arange(height * (width - itself), device=unit.device)
        alike = blocks[(blocks[:, 1] == height) & (blocks[:, 3] == width)]
        classes = max(1, _BLOCK_BYTES // (4 * max(height, width) * max(width, unit.shape[1])))
        for some in alike.split(classes):
            nearest = _nearest_first(unit, some, height, width, is_square=samples.is_square)
            similarity[offsets[some[:, 0]][:, None] + places] = nearest
    # Above what float32 was seen to change the order of two similarities by, for D = 2 ... 2 048.
    tolerance = 1e-7 * (6 + unit.shape[1] ** 0.5 / 2)
    return Ranks(
        similarity=similarity,
        offsets=offsets,
        tolerance=tolerance,
        first=torch.zeros(large, dtype=torch.int64, device=unit.device),
        precision=torch.zeros(large, dtype=torch.float64, device=unit.device),
    )


def _nearest_first(
    unit: Tensor, blocks: Tensor, height: int, width: int, *, is_square: bool
) -> Tensor:
    """Return the similarities in some classes of one shape, row by row, the greatest first."""
    rows = columns = unit[blocks[:, :1] + torch.arange(height, device=unit.device)]
    if not is_square:
        columns = unit[blocks[:, 2:3] + torch.arange(width, device=unit.device)]
    block = rows @ columns.transpose(1, 2)
    if is_square:
        block.diagonal(dim1=1, dim2=2).fill_(-OUT_OF_RANGE)
    nearest = block.sort(dim=2, descending=True).values
    return nearest[:, :, : width - is_square].flatten(1)
