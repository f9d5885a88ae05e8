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
from objectives.exact import rank_exactly
from objectives.grid import Grid, NegativeSample
from objectives.ranks import Ranks, rank_nothing, rank_within_classes
from objectives.rows import SortedRows, sort_by_class
from objectives.similarity import query_blocks, similarity_block, unit_embeddings
from objectives.tally import Classes, Progress, Tally, ignore
from objectives.tiles import count_pairs

__all__ = ["distance_at_far_in_one_pass", "tally_in_one_pass"]

# What is not larger than this takes less than a tenth of a second in float64.
_SMALL: Final = 1024
# What float32 similarities may be wrong by.
_ROUNDING: Final = 1e-7
# Half a gigabyte.
_MOST_POSITIVES: Final = 2**26
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

    def locate(self, far_low: float, far_high: float, ranks: Ranks, progress: Progress) -> _Counts:
        """Count on a grid that holds the distances at both FARs."""
        slack = 1.25
        while True:
            grid = self.sample.grid(far_low, far_high, slack=slack, bins=self._bins)
            counts = self.count(grid, ranks, progress)
            holds_low = grid.low == 0 or int(counts.pooled[0]) < self.wanted(far_low)
            if holds_low and int(counts.pooled[-1]) >= self.wanted(far_high):
                return counts
            slack, ranks = 4 * slack, self.no_ranks

    def locate_one(self, far: float) -> tuple[_Counts, Tensor]:
        """Count on a grid around one FAR; return the counts, and where in them it is reached."""
        counts = self.locate(far, far, self.no_ranks, ignore)
        return counts, self.reached(counts, far)

    def count(self, grid: Grid, ranks: Ranks, progress: Progress) -> _Counts:
        """Count on a grid."""
        within = count_pairs(self.rows, grid, ranks, progress)
        return _Counts(edges=grid.edges.to(within.device), within=within)

    def reached(self, counts: _Counts, *fars: float) -> Tensor:
        """Return the first edges at which the pooled FARs are reached."""
        wanted = torch.tensor([self.wanted(far) for far in fars], device=counts.pooled.device)
        return torch.searchsorted(counts.pooled, wanted)

    def wanted(self, far: float) -> int:
        """Return how many pairs, from both ends, are this share."""
        return math.ceil(self.pairs * far * (1 - 1e-12))

    @property
    def no_ranks(self) -> Ranks:
        """The state of a pass that only counts."""
        return rank_nothing(len(self.rows.unit), self.rows.unit.device)

    @property
    def _bins(self) -> int:
        counts = min(max(len(self.rows.unit) ** 2 // 32, _COUNTS[0]), _COUNTS[1])
        return min(max(counts // (int(self.rows.groups[-1]) + 1), _BINS[0]), _BINS[1])


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
    counts = look.locate(*fars, ranks, progress)
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
        for some in query_blocks(queries, len(unit)):
            block = similarity_block(unit, classes.members[order], some)
            first[some], precision[some] = rank_exactly(block, int(look.sizes.max()) - 1)
    back = order.argsort()
    return first[back], precision[back]


def _positives_within(ranks: Ranks, classes: int, groups: Tensor, marks: Tensor) -> Tensor:
    """Return classes x marks: ordered pairs of each class within each distance."""
    ascending, order = marks.sort()
    width = len(marks) + 1
    counts = torch.zeros(classes * width, dtype=torch.int64, device=marks.device)
    for places in torch.arange(len(ranks.similarity), device=marks.device).split(2**22):
        queries = torch.searchsorted(ranks.offsets, places, right=True) - 1
        distances = (2 - 2 * ranks.similarity[places].double()).clamp(min=0).sqrt()
        keys = groups[queries] * width + torch.bucketize(distances, ascending)
        counts += keys.bincount(minlength=len(counts))
    return counts.view(classes, width).cumsum(1)[:, order.argsort()]
