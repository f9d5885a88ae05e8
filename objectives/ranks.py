"""Where each sample finds its positives, kept while tiles of similarities come by."""

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from objectives.retrieval import DEEPEST

__all__ = ["BEYOND", "Ranks", "rank_nothing", "rank_within_classes"]

# More than any similarity.
BEYOND: Final = 4.0
_BLOCK_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """The positives of N samples, and how many negatives are ahead of each so far.

    Positives that can no longer count (their rank is beyond both R and Recall@k's largest k) are
    dropped on the way, so that ever fewer negatives need a look.

    Attributes:
        similarity: P float32; the positives' similarities, sample by sample, nearest first.
        offsets: N + 1 int64; where each sample's positives begin.
        tolerance: Similarities closer than this may be a tie, or in the other order.
        ahead: P int32; negatives as near as this positive; correct up to the rank that counts.
        alive: N int64; the last of a sample's positives that still counts, -1 where none does.
        reach: N float32; the least similarity of a negative that matters.
        close: N bool; whether some order of this sample is left open by float32.
    """

    similarity: Tensor
    offsets: Tensor
    tolerance: float
    ahead: Tensor = field(init=False)
    alive: Tensor = field(init=False)
    reach: Tensor = field(init=False)
    close: Tensor = field(init=False)

    def __post_init__(self) -> None:
        counts = self.offsets.diff()
        state = {
            "ahead": torch.zeros_like(self.similarity, dtype=torch.int32),
            "alive": counts - 1,
            "reach": self._reach(counts - 1),
            "close": torch.zeros_like(counts, dtype=torch.bool),
        }
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def results(self) -> tuple[Tensor, Tensor]:
        """Return the first rank (int64) and MAP@R (float64) of each sample; see `Tally`."""
        counts = self.offsets.diff()
        if not len(self.ahead):
            return torch.zeros_like(counts), torch.full_like(counts, torch.nan, dtype=torch.float64)
        first = self.ahead[self.offsets[:-1].clamp(max=len(self.ahead) - 1)] + 1
        orders, r = self._orders(), counts.repeat_interleave(counts)
        ranks = orders + self.ahead
        precision = torch.where(ranks <= r, orders / ranks.double(), 0.0)
        total = torch.segment_reduce(precision, "sum", offsets=self.offsets, initial=0.0)
        return torch.where(counts > 0, first.long(), 0), total / counts

    def update(self, ahead: Tensor) -> None:
        """Take new counts of negatives ahead, and drop the positives that no longer count."""
        self.ahead.copy_(ahead)
        counts = self.offsets.diff()
        orders, r = self._orders(), counts.repeat_interleave(counts)
        limit = torch.where(orders == 1, r.clamp(min=DEEPEST), r)
        alive = (orders + self.ahead <= limit).double()
        kept = torch.segment_reduce(alive, "sum", offsets=self.offsets, initial=0.0)
        self.alive.copy_(kept.long() - 1)
        self.reach.copy_(self._reach(self.alive))

    def _orders(self) -> Tensor:
        """P; 1 for the nearest positive of a sample, 2 for the next, ..."""
        counts = self.offsets.diff()
        places = torch.arange(len(self.ahead), device=counts.device)
        return places - self.offsets[:-1].repeat_interleave(counts) + 1

    def _reach(self, alive: Tensor) -> Tensor:
        if not len(self.similarity):
            return torch.full_like(alive, BEYOND, dtype=torch.float32)
        last = self.similarity[(self.offsets[:-1] + alive).clamp(0, len(self.similarity) - 1)]
        return torch.where(alive >= 0, last - self.tolerance, BEYOND)


def rank_nothing(samples: int, device: torch.device) -> Ranks:
    """Return the state of a pass that only counts."""
    offsets = torch.zeros(samples + 1, dtype=torch.int64, device=device)
    return Ranks(similarity=torch.zeros(0, device=device), offsets=offsets, tolerance=0.0)


def rank_within_classes(unit: Tensor, sizes: Tensor) -> Ranks:
    """Sort the positives of each sample.

    Args:
        unit: N x D float32 unit rows, class after class.
        sizes: Samples of each class, in that order.
    """
    counts = (sizes - 1).repeat_interleave(sizes)
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    similarity = torch.empty(int(offsets[-1]), device=unit.device)
    starts = sizes.cumsum(0) - sizes
    for size in sizes.unique().tolist():
        if size < 2:
            continue
        classes = max(1, _BLOCK_BYTES // (4 * size * max(size, unit.shape[1])))
        inside = torch.arange(size, device=unit.device)
        places = torch.arange(size * (size - 1), device=unit.device)
        for first in starts[sizes == size].split(classes):
            rows = unit[first[:, None] + inside]
            block = rows @ rows.transpose(1, 2)
            block.diagonal(dim1=1, dim2=2).fill_(-BEYOND)
            nearest = block.sort(dim=2, descending=True).values[:, :, :-1]
            similarity[offsets[first][:, None] + places] = nearest.reshape(len(first), -1)
    # Twice what sums of D products in float32 were seen to differ by.
    tolerance = 1e-7 * (2 + unit.shape[1] ** 0.5 / 3)
    return Ranks(similarity=similarity, offsets=offsets, tolerance=tolerance)
