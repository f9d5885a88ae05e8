"""Samples in the order in which their pairs are compared."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.similarity import unit_embeddings

__all__ = ["SortedSamples", "sort_by_class"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SortedSamples:
    """N samples, class after class; queries first of all.

    Large classes come first, those without a positive pair last. The first R samples are rows of
    the similarity matrix, those from `first_column` on its columns. Where each sample is a query,
    these are all, and tiles take each pair once, above the diagonal; otherwise rows are the
    queries, columns the gallery, and all pairs are taken.

    Attributes:
        embeddings: N x D, in the order of the input.
        unit: N x D float32 unit rows.
        order: N; the place of each row in the input.
        groups: N int64; the row of the counts that each row's pairs go to: one for each class with
            a positive pair, one for all others together.
        starts: R int64; where the columns begin that each row is not compared with: 0, or where
            its class begins.
        ends: R int64; where the class of each row ends.
        blocks: P x 4 int64; the positive pairs of each class that has some: its first row, number
            of rows, first column, number of columns.
        large: How many of these classes, the first ones, are large.
        first_column: 0, or R.
        group_count: G, the number of groups.
    """

    embeddings: Tensor
    unit: Tensor
    order: Tensor
    groups: Tensor
    starts: Tensor
    ends: Tensor
    blocks: Tensor
    large: int
    first_column: int
    group_count: int

    @property
    def rows(self) -> int:
        """R, the number of rows."""
        return len(self.ends)

    @property
    def is_square(self) -> bool:
        """Whether each sample is a row and a column."""
        return self.first_column == 0

    @cached_property
    def large_rows(self) -> int:
        """The number of rows, the first ones, of large classes."""
        return int(self.blocks[: self.large, 1].sum())

    @cached_property
    def large_columns(self) -> int:
        """The number of columns, the first ones, of large classes."""
        return int(self.blocks[: self.large, 3].sum())

    @cached_property
    def exact(self) -> Tensor:
        """N x D float64 unit rows."""
        return unit_embeddings(self.embeddings, torch.float64, order=self.order)

    def sides(self, rows: slice, columns: slice) -> tuple[bool, bool]:
        """Return whether these rows, and these columns, are of classes that are not large."""
        split = self.first_column + self.large_columns
        return rows.start >= self.large_rows, columns.start >= split

    def compared(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return which pairs of these rows and columns are compared, rows x columns bool."""
        compared = columns >= self.ends[rows, None]
        return compared if self.is_square else compared | (columns < self.starts[rows, None])


def sort_by_class(embeddings: Tensor, classes: Classes, *, most: int) -> SortedSamples:
    """Normalise and sort.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes.
        most: The most samples that others of their class are compared with for it not to be large.
    """
    unpaired, square = ~classes.paired, classes.is_query is None
    large = classes.paired & (classes.gallery_sizes > most)
    places = torch.where(large, 0, 1 + unpaired.long())
    keys = classes.members + places[classes.members] * len(places)
    if classes.is_query is not None:
        keys += ~classes.is_query * 3 * len(places)
    order, ranked = torch.argsort(keys, stable=True), torch.argsort(places, stable=True)
    numbers = torch.where(unpaired, (~unpaired).sum(), (~unpaired).cumsum(0) - 1)
    rows, columns = classes.query_sizes[ranked], classes.gallery_sizes[ranked]
    first_column = 0 if square else int(rows.sum())
    ends = first_column + columns.cumsum(0)
    blocks = torch.stack([rows.cumsum(0) - rows, rows, ends - columns, columns], dim=1)
    starts = (ends - columns).repeat_interleave(rows)
    return SortedSamples(
        embeddings=embeddings,
        unit=unit_embeddings(embeddings, torch.float32, order=order),
        order=order,
        groups=numbers[classes.members[order]],
        starts=torch.zeros_like(starts) if square else starts,
        ends=ends.repeat_interleave(rows),
        blocks=blocks[: int((~unpaired).sum())],
        large=int(large.sum()),
        first_column=first_column,
        group_count=int(numbers.max()) + 1,
    )
