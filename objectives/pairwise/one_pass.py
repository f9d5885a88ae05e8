"""One float32 pass over the pairs of samples, for sets of any size.

Rows are sorted by class, so that the positives are small blocks on the diagonal of the similarity
matrix and are done first. Of the negatives only those matter that lie within the calibration range
or ahead of a positive. A sample tells beforehand where the range should lie; counts on a fine grid
of distances around it tell where it does.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from objectives.calibration import Calibration
from objectives.pairwise.distance_estimate import Grid, NegativeSample
from objectives.pairwise.exact import rank_exactly
from objectives.pairwise.negative_pairs import count_pairs
from objectives.pairwise.pair_statistics import Classes, Progress, Tally, ignore
from objectives.pairwise.ranks import Ranks, rank_nothing, rank_within_classes
from objectives.pairwise.similarity import (
    distances_of,
    query_blocks,
    similarity_block,
    unit_embeddings,
)
from objectives.pairwise.sorted_samples import SortedRows, sort_by_class

__all__ = ["distance_at_far_in_one_pass", "tally_in_one_pass"]

# What is not larger than this takes less than a tenth of a second in float64.
_SMALL: Final = 1024
# What float32 similarities may be wrong by.
_ROUNDING: Final = 1e-7
# Half a gigabyte, and as much again while they are worked on.
_MOST_POSITIVES: Final = 2**26
# What distances are told apart to without a second look.
_FINE: Final = 1e-5
# Bins of a grid, and of all classes' grids together: least and most.
_BINS: Final = (800, 8192)
_COUNTS: Final = (2**22, 2**26)


def tally_in_one_pass(
    embeddings: Tensor, classes: Classes, calibration: Calibration, progress: Progress
) -> Tally | None:
    """Rank and count all pairs; None where that has to be done exactly.

    So it is for small sets, sets without a negative pair, sets of a few huge classes, whose
    positives would fill the memory, and sets whose distances float32 cannot tell apart.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes.
        calibration: Which thresholds.
        progress: Gets the share done.
    """
    look = _look(embeddings, classes)
    if look is None or look.is_blurred(calibration):
        return None
    ranks = rank_within_classes(look.rows.unit, look.sizes)
    counts, picks = _over_range(look, calibration, ranks, progress)
    at_operating, pick = _at_operating(look, calibration, counts)
    marks = torch.cat([counts.edges[picks], at_operating.edges[pick]])
    negatives = torch.cat([counts.within[:, picks], at_operating.within[:, pick]], dim=1).long()
    del counts, at_operating
    plural = int((look.sizes > 1).sum())
    first, precision = _decide(embeddings, classes, look, ranks)
    return Tally(
        thresholds=marks[:-1],
        operating_threshold=float(marks[-1]),
        positives=_positives_within(ranks, plural, look.rows.groups, marks),
        negatives=negatives[:plural],
        pooled_negatives=negatives.sum(0),
        first_ranks=first,
        precisions=precision,
    )


def distance_at_far_in_one_pass(embeddings: Tensor, classes: Classes, far: float) -> float | None:
    """Return the distance at which the pooled FAR reaches `far`; None as above."""
    look = _look(embeddings, classes)
    if look is None or look.is_blurred(Calibration(operating_far=far)):
        return None
    counts, pick = look.locate_one(far)
    return float(counts.edges[pick])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Counts:
    """Negative pairs within the edges of a grid.

    Attributes:
        edges: E ascending distances.
        within: G x E; see `count_pairs`.
    """

    edges: Tensor
    within: Tensor

    @cached_property
    def pooled(self) -> Tensor:
        """E int64; pairs within each edge, each from both of its ends."""
        # By parts: a sum of int32 makes an int64 copy of all first.
        return torch.stack([part.sum(0) for part in self.within.split(1024)]).sum(0)

    @property
    def step(self) -> float:
        """Distance between two edges."""
        return float(self.edges[1] - self.edges[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Look:
    """Samples that are to be looked at.

    Attributes:
        rows: The N samples, sorted.
        sizes: Samples of each class, in that order.
        sample: Some negative pairs.
        pairs: All negative pairs, each from both of its ends.
    """

    rows: SortedRows
    sizes: Tensor
    sample: NegativeSample
    pairs: int

    def is_blurred(self, calibration: Calibration) -> bool:
        """Whether rounding moves distances by a hundredth of a step between thresholds."""
        fars = (calibration.far_min, calibration.far_max, calibration.operating_far)
        low, high, operating = self.sample.distances(*fars)
        low, high = calibration.span or (low, high)
        step = (high - low) / (calibration.thresholds - 1)
        return min((low + step) * step, operating * 1e-3) < 100 * _ROUNDING

    def locate(
        self, fars: tuple[float, float], *, steps: int, ranks: Ranks, progress: Progress
    ) -> _Counts:
        """Count on a grid that holds the distances at both FARs.

        Where the sample has foretold that badly, it counts again, but does not rank again.

        Args:
            fars: The smaller FAR and the greater, or the same twice.
            steps: Steps between thresholds that the grid has to hold between them.
            ranks: Changed in place.
            progress: Gets the share done.
        """
        slack, bins = 1.25, self._bins(steps)
        counts = self.count(self.sample.grid(*fars, slack=slack, bins=bins), ranks, progress)
        while not self._holds(counts, fars):
            slack *= 4
            counts = self.count(self.sample.grid(*fars, slack=slack, bins=bins))
        first, last = self.reached(counts, *fars).tolist()
        if last - first < 4 * steps or (steps == 0 and counts.step > _FINE):
            low, high = counts.edges[[max(first - 1, 0), last]].tolist()
            # Finer than rounding, edges would part distances that are the same.
            bins = min(bins, max(8 * steps, math.ceil((high - low) / _FINE)))
            closer = self.count(Grid(low=low, high=high, bins=bins))
            counts = closer if self._holds(closer, fars) else counts
        return counts

    def locate_one(self, far: float) -> tuple[_Counts, Tensor]:
        """Count on a grid around one FAR; return the counts, and where in them it is reached."""
        counts = self.locate((far, far), steps=0, ranks=self._no_ranks, progress=ignore)
        return counts, self.reached(counts, far)

    def _holds(self, counts: _Counts, fars: tuple[float, float]) -> bool:
        """Whether the first edge is within the smaller FAR, and the last beyond the greater."""
        low = float(counts.edges[0]) == 0 or int(counts.pooled[0]) < self.wanted(fars[0])
        return low and int(counts.pooled[-1]) >= self.wanted(fars[1])

    def count(self, grid: Grid, ranks: Ranks | None = None, progress: Progress = ignore) -> _Counts:
        """Count on a grid, and rank where ranks are given."""
        within = count_pairs(self.rows, grid, ranks or self._no_ranks, progress)
        return _Counts(edges=grid.edges.to(within.device), within=within)

    def reached(self, counts: _Counts, *fars: float) -> Tensor:
        """Return the first edges at which the pooled FARs are reached."""
        wanted = torch.tensor([self.wanted(far) for far in fars], device=counts.pooled.device)
        return torch.searchsorted(counts.pooled, wanted)

    def wanted(self, far: float) -> int:
        """Return how many pairs, from both ends, are this share."""
        return math.ceil(self.pairs * far * (1 - 1e-12))

    @property
    def _no_ranks(self) -> Ranks:
        return rank_nothing(len(self.rows.unit), self.rows.unit.device)

    def _bins(self, steps: int) -> int:
        """Return as many bins as there is room for, and no less than 8 for each step."""
        counts = min(max(len(self.rows.unit) ** 2 // 64, _COUNTS[0]), _COUNTS[1])
        bins = min(max(counts // self.rows.group_count, _BINS[0]), _BINS[1])
        return max(bins, 8 * steps)


def _look(embeddings: Tensor, classes: Classes) -> _Look | None:
    if len(embeddings) <= _SMALL or int(classes.positive_pairs.sum()) > _MOST_POSITIVES:
        return None
    rows, sizes = sort_by_class(embeddings, classes)
    sample = NegativeSample(rows.unit, rows.ends)
    if not len(sample):
        return None
    pairs = int(classes.negative_pairs.sum())
    return _Look(rows=rows, sizes=sizes, sample=sample, pairs=pairs)


def _over_range(
    look: _Look, calibration: Calibration, ranks: Ranks, progress: Progress
) -> tuple[_Counts, Tensor]:
    """Rank, and count over the calibration range; return the counts, and T places in them."""
    if calibration.span is not None:
        low, high = calibration.span
        grid = Grid(low=low, high=high, bins=calibration.thresholds - 1)
        counts = look.count(grid, ranks, progress)
        return counts, torch.arange(calibration.thresholds, device=counts.edges.device)
    fars = (calibration.far_min, calibration.far_max)
    counts = look.locate(fars, steps=calibration.thresholds - 1, ranks=ranks, progress=progress)
    first, last = look.reached(counts, *fars).tolist()
    picks = torch.linspace(first, last, calibration.thresholds, dtype=torch.float64)
    return counts, picks.round().long().to(counts.edges.device)


def _at_operating(look: _Look, calibration: Calibration, counts: _Counts) -> tuple[_Counts, Tensor]:
    """Return counts that hold the operating threshold, and its place in them."""
    far = calibration.operating_far
    if calibration.span is None and calibration.far_min <= far <= calibration.far_max:
        return counts, look.reached(counts, far)
    return look.locate_one(far)


def _decide(
    embeddings: Tensor, classes: Classes, look: _Look, ranks: Ranks
) -> tuple[Tensor, Tensor]:
    """Return first ranks and MAP@R in the input's order, what float32 leaves open by float64."""
    first, precision = ranks.results()
    order, queries = look.rows.order, ranks.close.nonzero()[:, 0]
    if len(queries):
        unit = unit_embeddings(embeddings, torch.float64, order=order)
        members, counts = classes.members[order], ranks.offsets.diff()
        for some in query_blocks(queries, len(unit)):
            block = similarity_block(unit, members, some)
            first[some], precision[some] = rank_exactly(block, int(counts[some].max()))
    back = order.argsort()
    return first[back], precision[back]


def _positives_within(ranks: Ranks, classes: int, groups: Tensor, marks: Tensor) -> Tensor:
    """Return classes x marks: ordered pairs of each class within each distance."""
    ascending, order = marks.sort()
    width = len(marks) + 1
    counts = torch.zeros(classes * width, dtype=torch.int64, device=marks.device)
    for places in torch.arange(len(ranks.similarity), device=marks.device).split(2**22):
        queries = torch.searchsorted(ranks.offsets, places, right=True) - 1
        distances = distances_of(ranks.similarity[places])
        keys = groups[queries] * width + torch.bucketize(distances, ascending)
        counts += keys.bincount(minlength=len(counts))
    return counts.view(classes, width).cumsum(1)[:, order.argsort()]
