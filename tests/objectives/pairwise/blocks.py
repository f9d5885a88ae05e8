"""Blocks of similarities made by hand."""

import torch

from objectives.pairwise.similarity import SimilarityBlock


def block(similarity: list[list[float]], positive: list[list[int]]) -> SimilarityBlock:
    """Queries 0 to B - 1, whose own column is neither positive nor negative."""
    mask = torch.tensor(positive, dtype=torch.bool)
    own = torch.eye(*mask.shape, dtype=torch.bool)
    return SimilarityBlock(
        queries=torch.arange(len(mask)),
        similarity=torch.tensor(similarity, dtype=torch.float64),
        positive=mask,
        negative=~mask & ~own,
    )
