"""Pooling of a map of features into one vector."""

import torch
from torch import Tensor, nn

__all__ = ["AverageMax", "GeneralizedMean", "build_pooling"]

# Features below this count as this, so that any power of them has a gradient.
_SMALLEST = 1e-6


class GeneralizedMean(nn.Module):
    """The generalised mean of each channel, ``mean(x^p)^(1/p)`` with a learnt p.

    GeM, Radenović et al., TPAMI 2019, arXiv 1711.02512: p = 1 is the mean, p to infinity the
    maximum. One p serves all channels, as in the authors' code. Features below 1e-6 count as 1e-6.

    Args:
        exponent: p at the beginning.
    """

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([exponent]))

    def forward(self, features: Tensor) -> Tensor:
        """Pool B x C x H x W features to B x C."""
        powers = features.clamp(min=_SMALLEST).pow(self.exponent)
        return powers.mean((2, 3)).pow(1 / self.exponent)


class AverageMax(nn.Module):
    """The sum of each channel's mean and maximum."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool B x C x H x W features to B x C."""
        return features.mean((2, 3)) + features.amax((2, 3))


def build_pooling(name: str) -> nn.Module:
    """Return the pooling of that name, ``gem`` or ``avg_max``."""
    return GeneralizedMean() if name == "gem" else AverageMax()
