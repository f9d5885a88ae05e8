"""Retrieval accuracy: Recall@k and MAP@R."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

__all__ = ["DEEPEST", "RankedPositives", "first_ranks", "mean_average_precision_at_r"]

# The largest k of Recall@k.
DEEPEST: Final = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedPositives:
    """Ranks of each query's positives.

    Ties are broken against the query: a negative that is as near as a positive is ranked before
    it. So the result does not depend on the order of the samples, and collapsed embeddings, in
    which everything ties, score 0 and not the share of the largest class.

    Attributes:
        ranks: B x R int64; rank (from 1, among all other samples) of the query's k-th nearest
            positive, R the largest number of positives of any sample; exact up to the depth asked
            for, and greater than it beyond; 0 where the query has fewer than k positives.
    """

    ranks: Tensor

    @property
    def positives(self) -> Tensor:
        """B; the number of positives of each query."""
        return (self.ranks > 0).sum(1)


def first_ranks(ranked: RankedPositives) -> Tensor:
    """Return the rank of each query's nearest positive, B int64; 0 where it has none."""
    if not ranked.ranks.shape[1]:
        return torch.zeros(len(ranked.ranks), dtype=torch.int64, device=ranked.ranks.device)
    return ranked.ranks[:, 0]


def mean_average_precision_at_r(ranked: RankedPositives) -> Tensor:
    """B float64: MAP@R of each query; NaN for a query without a positive.

    MAP@R is the mean over the first R ranks of the precision at those ranks that hold a positive,
    R being the query's own number of positives (Musgrave et al., ECCV 2020, arXiv 2003.08505).
    """
    ranks = ranked.ranks.double()
    r = ranked.positives[:, None].double()
    order = torch.arange(1, ranks.shape[1] + 1, device=ranks.device)
    precision = torch.where((ranks > 0) & (ranks <= r), order / ranks, 0.0)
    return precision.sum(1) / r[:, 0]
