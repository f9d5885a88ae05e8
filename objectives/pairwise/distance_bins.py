"""Bins of distances, in which pairs are counted."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DistanceBins"]


@dataclass(frozen=True, kw_only=True)
class DistanceBins:
    """Bins of equal width; edge k is ``low + k (high - low) / count``, k = 0 ... count.

    Bin 0 holds what is within the first edge, bin k what is within edge k only.

    Attributes:
        low: The first edge.
        high: The last edge.
        count: Number of bins between them.
    """

    low: float
    high: float
    count: int

    @property
    def edges(self) -> Tensor:
        """E = count + 1 ascending distances, float64."""
        return torch.linspace(self.low, self.high, self.count + 1, dtype=torch.float64)

    @property
    def floor(self) -> float:
        """A similarity that every pair within the last edge exceeds."""
        return 1 - self.high**2 / 2 - 1e-5

    @property
    def scale(self) -> float:
        """Bins per distance."""
        return self.count / (self.high - self.low)
