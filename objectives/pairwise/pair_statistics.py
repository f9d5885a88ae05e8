"""Statistics of all pairs of samples, whichever way the pairs are compared."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Classes", "PairStatistics"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """N samples in C classes.

    Attributes:
        labels: C ascending labels.
        members: N class numbers in [0, C).
        sizes: C numbers of samples.
    """

    labels: Tensor
    members: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> "Classes":
        """Return the classes of N integer labels."""
        names, members, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
        return cls(labels=names, members=members, sizes=sizes)

    @property
    def positive_pairs(self) -> Tensor:
        """C; ordered pairs within each class."""
        return self.sizes * (self.sizes - 1)

    @property
    def negative_pairs(self) -> Tensor:
        """C; pairs with exactly one end in each class."""
        return self.sizes * (len(self.members) - self.sizes)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairStatistics:
    """Pairs counted by distance, and neighbours ranked.

    Attributes:
        thresholds: T ascending distances over the calibration range.
        operating_threshold: The distance at which the pooled FAR is that asked for.
        positives: P x (T + 1) int64, for the classes with two samples or more; ordered pairs of
            each within each threshold, and, last, within the operating threshold.
        negatives: P x (T + 1) int64; their negative pairs, likewise.
        pooled_negatives: T + 1 int64; those of all classes, so each pair twice.
        first_ranks: N; rank of each sample's nearest positive, ties counted against it; exact up
            to 16, greater beyond; 0 where there is no positive.
        precisions: N float64; MAP@R of each sample, NaN where there is no positive.
    """

    thresholds: Tensor
    operating_threshold: float
    positives: Tensor
    negatives: Tensor
    pooled_negatives: Tensor
    first_ranks: Tensor
    precisions: Tensor
