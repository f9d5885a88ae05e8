"""Exact ranks of the positives of some queries, by float64 similarities."""

import torch
from torch import Tensor

from objectives.pairwise.similarity import SimilarityBlock
from objectives.retrieval import (
    DEEPEST,
    RankedPositives,
    first_ranks,
    mean_average_precision_at_r,
)

__all__ = ["TIE", "rank_exactly", "rank_positives"]

# Float64 sums of the same numbers in another order differ by about 1e-16 per term, so that two
# identical embeddings may seem to lie at two distances. Closer than this is a tie.
TIE = 1e-12


def rank_exactly(block: SimilarityBlock, most_positives: int) -> tuple[Tensor, Tensor]:
    """Return the first rank and MAP@R of each query of a block; see `PairStatistics`."""
    ranked = rank_positives(block, most_positives, depth=max(most_positives, DEEPEST))
    return first_ranks(ranked), mean_average_precision_at_r(ranked)


def rank_positives(block: SimilarityBlock, most_positives: int, *, depth: int) -> RankedPositives:
    """Rank the positives of each query of a block.

    Args:
        block: The similarities.
        most_positives: R, the largest number of positives that any sample of the set has.
        depth: Up to where ranks are to be exact.
    """
    near_positives = _nearest(block, block.positive, most_positives)
    near_negatives = _nearest(block, block.negative, depth)
    ahead = torch.searchsorted(-near_negatives, TIE - near_positives, right=True)
    order = torch.arange(1, near_positives.shape[1] + 1, device=ahead.device)
    return RankedPositives(ranks=torch.where(near_positives.isinf(), 0, ahead + order))


def _nearest(block: SimilarityBlock, mask: Tensor, k: int) -> Tensor:
    """B x k similarities of the nearest samples under the mask, -inf where there are fewer."""
    similarity = block.similarity.masked_fill(~mask, -torch.inf)
    return similarity.topk(min(k, similarity.shape[1]), dim=1).values.contiguous()
