"""Statistics of all pairs of samples, whichever way the pairs are compared."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Classes", "PairStatistics"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """N samples in C classes, and which of their pairs are compared.

    Either each sample is compared with every other, or each query with each gallery sample.

    Attributes:
        labels: C ascending labels.
        members: N class numbers in [0, C).
        sizes: C numbers of samples.
        is_query: N bool; the others are the gallery. None where each sample is both.
    """

    labels: Tensor
    members: Tensor
    sizes: Tensor
    is_query: Tensor | None = None

    @classmethod
    def of(cls, labels: Tensor, is_query: Tensor | None = None) -> "Classes":
        """Return the classes of N integer labels."""
        names, members, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
        return cls(labels=names, members=members, sizes=sizes, is_query=is_query)

    @cached_property
    def query_sizes(self) -> Tensor:
        """C numbers of queries."""
        if self.is_query is None:
            return self.sizes
        return self.members[self.is_query].bincount(minlength=len(self.sizes))

    @property
    def gallery_sizes(self) -> Tensor:
        """C numbers of gallery samples."""
        return self.sizes if self.is_query is None else self.sizes - self.query_sizes

    @property
    def positive_pairs(self) -> Tensor:
        """C; pairs of a query of each class and a gallery sample of it, other than itself."""
        itself = 1 if self.is_query is None else 0
        return self.query_sizes * (self.gallery_sizes - itself)

    @property
    def negative_pairs(self) -> Tensor:
        """C; pairs with exactly one end in each class."""
        queries, gallery = self.query_sizes, self.gallery_sizes
        pairs = queries * (gallery.sum() - gallery)
        return pairs if self.is_query is None else pairs + gallery * (queries.sum() - queries)

    @property
    def paired(self) -> Tensor:
        """C bool; the classes with a positive pair."""
        return self.positive_pairs > 0

    def in_order(self, order: Tensor) -> "Classes":
        """Return the classes of the samples in this order (N row numbers)."""
        is_query = None if self.is_query is None else self.is_query[order]
        return replace(self, members=self.members[order], is_query=is_query)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairStatistics:
    """Pairs counted by distance, and neighbours ranked.

    Attributes:
        thresholds: T ascending distances over the calibration range.
        operating_threshold: The distance at which the pooled FAR is that asked for.
        positives: P x (T + 1) int64, for the classes with a positive pair; those of each within
            each threshold, and, last, within the operating threshold.
        negatives: P x (T + 1) int64; their negative pairs, likewise.
        pooled_negatives: T + 1 int64; those of all classes, so each pair twice.
        first_ranks: N; rank of each sample's nearest positive, ties counted against it; exact up
            to 16, greater beyond; 0 where there is no positive, as for the gallery of queries.
        precisions: N float64; MAP@R of each sample, NaN where there is no positive.
    """

    thresholds: Tensor
    operating_threshold: float
    positives: Tensor
    negatives: Tensor
    pooled_negatives: Tensor
    first_ranks: Tensor
    precisions: Tensor
