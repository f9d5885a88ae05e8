"""The engine of scoring: all pairs of a set of embeddings compared, in one pass or exactly."""

from objectives.pairwise.compare import compare_all_pairs, distance_at_pooled_far
from objectives.pairwise.disjoint_pairs import sampling_variance
from objectives.pairwise.pair_statistics import Classes, PairStatistics
from objectives.pairwise.similarity import check_embeddings, check_queries

__all__ = [
    "Classes",
    "PairStatistics",
    "check_embeddings",
    "check_queries",
    "compare_all_pairs",
    "distance_at_pooled_far",
    "sampling_variance",
]
