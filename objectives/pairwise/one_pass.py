"""One float32 pass over the pairs of samples, for sets of any size.

Samples are sorted by class, so that the positives are blocks along the diagonal of the similarity
matrix. Those of small classes are done first; large classes are done by whole rows. Of the
negatives only those matter that lie within the calibration range or ahead of a positive. Some of
them tell beforehand where the range should lie; counts in fine bins of distance around it tell
where it does.
"""

from typing import Final

import torch
from torch import Tensor

from objectives.calibration import Calibration
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.distance_estimate import DistanceEstimate
from objectives.pairwise.exact_ranks import rank_exactly
from objectives.pairwise.far_search import FarSearch
from objectives.pairwise.pair_counts import PairCounts
from objectives.pairwise.pair_statistics import Classes, PairStatistics
from objectives.pairwise.ranks import Ranks, rank_within_classes
from objectives.pairwise.similarity import (
    distances_of,
    query_blocks,
    similarity_block,
)
from objectives.pairwise.sorted_samples import SortedSamples, sort_by_class
from objectives.progress import Progress

__all__ = ["compare_in_one_pass", "distance_at_far_in_one_pass"]

# What is not larger than this takes less than a tenth of a second in float64.
_SMALL: Final = 1024
# On an accelerator, which has no way for large classes: half a gigabyte, and as much again while
# they are worked on.
_MOST_POSITIVES: Final = 2**26
# From about here on, whole rows take less time than tiles.
_MOST_IN_TILES: Final = 128


def compare_in_one_pass(
    embeddings: Tensor, classes: Classes, calibration: Calibration, progress: Progress
) -> PairStatistics | None:
    """Count pairs by distance and rank neighbours; None where that has to be done exactly.

    So it is for small sets, sets without a negative pair, and sets whose distances float32 cannot
    tell apart; on an accelerator also for sets of a few huge classes, whose positives would fill
    its memory.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes.
        calibration: Which thresholds.
        progress: Gets the share done.
    """
    search = _search(embeddings, classes)
    if search is None or search.is_blurred(calibration):
        return None
    samples = search.samples
    ranks = rank_within_classes(samples)
    counts, picks = _over_range(search, calibration, ranks, progress)
    at_operating, pick = _at_operating(search, calibration, counts)
    marks = torch.cat([counts.edges[picks], at_operating.edges[pick]])
    pairs = [(counts, picks), (at_operating, pick)]
    negatives = torch.cat([found.negatives[:, places] for found, places in pairs], dim=1).long()
    large = torch.cat([found.positives[:, places] for found, places in pairs], dim=1)
    del counts, at_operating, pairs
    paired = len(samples.blocks)
    positives = _positives_within(ranks, paired, samples.groups, marks)
    positives[samples.groups[samples.blocks[: samples.large, 0]]] = large
    first, precision = _decide(classes, samples, ranks)
    return PairStatistics(
        thresholds=marks[:-1],
        operating_threshold=float(marks[-1]),
        positives=positives,
        negatives=negatives[:paired],
        pooled_negatives=negatives.sum(0),
        first_ranks=first,
        precisions=precision,
    )


def distance_at_far_in_one_pass(embeddings: Tensor, classes: Classes, far: float) -> float | None:
    """Return the distance at which the pooled FAR reaches `far`; None as above."""
    search = _search(embeddings, classes)
    if search is None or search.is_blurred(Calibration(operating_far=far)):
        return None
    counts, pick = search.locate_one(far)
    return float(counts.edges[pick])


def _search(embeddings: Tensor, classes: Classes) -> FarSearch | None:
    on_cpu = embeddings.device.type == "cpu"
    too_many = not on_cpu and int(classes.positive_pairs.sum()) > _MOST_POSITIVES
    if len(embeddings) <= _SMALL or too_many:
        return None
    most = _MOST_IN_TILES if on_cpu else len(embeddings)
    samples = sort_by_class(embeddings, classes, most=most)
    estimate = DistanceEstimate(samples)
    if not len(estimate):
        return None
    pairs = int(classes.negative_pairs.sum())
    return FarSearch(samples=samples, estimate=estimate, pairs=pairs)


def _over_range(
    search: FarSearch, calibration: Calibration, ranks: Ranks, progress: Progress
) -> tuple[PairCounts, Tensor]:
    """Rank, and count over the calibration range; return the counts, and T places in them."""
    if calibration.span is not None:
        low, high = calibration.span
        bins = DistanceBins(low=low, high=high, count=calibration.thresholds - 1)
        counts = search.count(bins, ranks, progress)
        return counts, torch.arange(calibration.thresholds, device=counts.edges.device)
    fars = (calibration.far_min, calibration.far_max)
    counts = search.locate(fars, steps=calibration.thresholds - 1, ranks=ranks, progress=progress)
    first, last = search.reached(counts, *fars).tolist()
    picks = torch.linspace(first, last, calibration.thresholds, dtype=torch.float64)
    return counts, picks.round().long().to(counts.edges.device)


def _at_operating(
    search: FarSearch, calibration: Calibration, counts: PairCounts
) -> tuple[PairCounts, Tensor]:
    """Return counts that hold the operating threshold, and its place in them."""
    far = calibration.operating_far
    if calibration.span is None and calibration.far_min <= far <= calibration.far_max:
        return counts, search.reached(counts, far)
    return search.locate_one(far)


def _decide(classes: Classes, samples: SortedSamples, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Return first ranks and MAP@R in the input's order, what float32 leaves open by float64."""
    first, precision = ranks.results()
    order, queries = samples.order, ranks.undecided()
    if len(queries):
        ordered, counts = classes.in_order(order), ranks.offsets.diff()
        for some in query_blocks(queries, len(order)):
            block = similarity_block(samples.exact, ordered, some)
            first[some], precision[some] = rank_exactly(block, int(counts[some].max()))
    back = order.argsort()
    return first[back], precision[back]


def _positives_within(ranks: Ranks, classes: int, groups: Tensor, marks: Tensor) -> Tensor:
    """Return classes x marks: positive pairs of each class that is not large within each."""
    ascending, order = marks.sort()
    width = len(marks) + 1
    counts = torch.zeros(classes * width, dtype=torch.int64, device=marks.device)
    for places in torch.arange(len(ranks.similarity), device=marks.device).split(2**22):
        queries = torch.searchsorted(ranks.offsets, places, right=True) - 1
        distances = distances_of(ranks.similarity[places])
        keys = groups[queries] * width + torch.bucketize(distances, ascending)
        counts += keys.bincount(minlength=len(counts))
    return counts.view(classes, width).cumsum(1)[:, order.argsort()]
