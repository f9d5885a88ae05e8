"""Sets of embeddings in classes of many layouts, from random ones to nearly perfect ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

__all__ = ["LAYOUTS", "QUALITIES", "Layout"]

# The width of a class of 512 dimensions about its centre, for centres of width 1.
QUALITIES: Final = {"random": None, "middling": 2.5, "nearly perfect": 0.5}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Samples in classes of these sizes.

    Attributes:
        name: What it is called.
        sizes: One for each class.
        dim: Numbers in an embedding.
    """

    name: str
    sizes: tuple[int, ...]
    dim: int = 512

    def make(self, quality: str) -> tuple[Tensor, Tensor]:
        """Return N x D embeddings, mixed, and N labels: Gaussian classes of different widths."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(len(self.sizes)).repeat_interleave(torch.tensor(self.sizes))
        labels = labels[torch.randperm(len(labels), generator=generator)]
        embeddings = torch.randn(len(labels), self.dim, generator=generator)
        width = QUALITIES[quality]
        if width is not None:
            centres = torch.randn(len(self.sizes), self.dim, generator=generator)
            widths = width * (0.6 + 0.8 * torch.rand(len(self.sizes), 1, generator=generator))
            embeddings.mul_(widths[labels]).add_(centres[labels])
        return torch.nn.functional.normalize(embeddings), labels


def _alike(samples: int, size: int) -> tuple[int, ...]:
    rest = samples % size
    return (size,) * (samples // size) + ((rest,) if rest else ())


def _split(samples: int, classes: int) -> tuple[int, ...]:
    return tuple(samples * (k + 1) // classes - samples * k // classes for k in range(classes))


def _unequal(samples: int) -> tuple[int, ...]:
    """By Zipf's law: the k-th of a thousand classes has 1 / k of the first one's samples."""
    first = samples / sum(1 / k for k in range(1, 1001))
    sizes = [max(1, int(first / k)) for k in range(1, 1001)]
    return (sizes[0] + samples - sum(sizes), *sizes[1:])


def _all() -> Iterator[Layout]:
    for size in (2, 5, 50, 100, 200, 1_000):
        yield Layout(name=f"10 000 in classes of {size}", sizes=_alike(10_000, size))
    yield Layout(name="10 000 in 7 classes", sizes=_split(10_000, 7))
    yield Layout(name="10 000 in 2 classes", sizes=_split(10_000, 2))
    yield Layout(name="10 000 in 1 000 classes, by Zipf's law", sizes=_unequal(10_000))
    yield Layout(name="10 000, 9 000 of one class, else 2", sizes=(9_000, *_alike(1_000, 2)))
    yield Layout(name="20 000 in classes of 3 000", sizes=_alike(20_000, 3_000))
    yield Layout(name="20 000 in 7 classes", sizes=_split(20_000, 7))


LAYOUTS: Final = tuple(_all())
