"""Samples in the order in which their pairs are compared."""

from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.similarity import unit_embeddings

__all__ = ["SortedSamples", "sort_by_class"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SortedSamples:
    """N samples, class after class, the classes with one sample last.

    Attributes:
        unit: N x D float32 unit rows.
        order: N; the place of each row in the input.
        sizes: C; samples of each class, in this order.
        ends: N int64; where the class of each row ends.
        groups: N int64; the row of the counts that each row's pairs go to: one for each class with
            two samples or more, one for all others together.
    """

    unit: Tensor
    order: Tensor
    sizes: Tensor
    ends: Tensor
    groups: Tensor

    @property
    def group_count(self) -> int:
        """G, the number of groups."""
        return int(self.groups[-1]) + 1


def sort_by_class(embeddings: Tensor, classes: Classes) -> SortedSamples:
    """Normalise and sort.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes.
    """
    single = classes.sizes == 1
    last = torch.where(single, len(single), 0)
    order = torch.argsort(classes.members + last[classes.members], stable=True)
    sizes = torch.cat([classes.sizes[~single], classes.sizes[single]])
    groups = torch.arange(len(sizes), device=sizes.device).clamp(max=int((~single).sum()))
    return SortedSamples(
        unit=unit_embeddings(embeddings, torch.float32, order=order),
        order=order,
        sizes=sizes,
        ends=sizes.cumsum(0).repeat_interleave(sizes),
        groups=groups.repeat_interleave(sizes),
    )
