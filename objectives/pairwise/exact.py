"""All pairs compared one by one in float64: for small sets, or where float32 is too coarse.

Two passes over the similarities: the first ranks neighbours and finds the calibration range, the
second counts pairs at the thresholds that follow from it.
"""

import torch
from torch import Tensor

from objectives.calibration import Calibration
from objectives.pairwise.distance_histogram import DistanceHistogram, count_within
from objectives.pairwise.exact_ranks import rank_exactly
from objectives.pairwise.pair_statistics import Classes, PairStatistics
from objectives.pairwise.similarity import similarity_blocks
from objectives.progress import Progress

__all__ = ["compare_exactly", "distance_at_far_exactly"]


def compare_exactly(
    unit: Tensor, classes: Classes, calibration: Calibration, progress: Progress
) -> PairStatistics:
    """Count pairs by distance and rank neighbours.

    Args:
        unit: N x D float64 unit rows.
        classes: Their classes.
        calibration: Which thresholds.
        progress: Gets the share done.
    """
    histogram = DistanceHistogram(unit.device)
    ranks, precisions = [], []
    for block in similarity_blocks(unit, classes):
        rank, precision = rank_exactly(block, int(classes.sizes.max()) - 1)
        ranks.append(rank)
        precisions.append(precision)
        histogram.add(block)
        progress(0.5 * (int(block.queries[-1]) + 1) / len(unit))
    low, high = calibration.span or (
        histogram.distance_at(calibration.far_min),
        histogram.distance_at(calibration.far_max),
    )
    thresholds = torch.linspace(low, high, calibration.thresholds, dtype=torch.float64)
    operating = histogram.distance_at(calibration.operating_far)
    marks = torch.cat([thresholds, torch.tensor([operating], dtype=torch.float64)]).to(unit.device)
    positives, negatives = _count(unit, classes, marks, progress)
    return PairStatistics(
        thresholds=marks[:-1],
        operating_threshold=operating,
        positives=positives[classes.paired],
        negatives=negatives[classes.paired],
        pooled_negatives=negatives.sum(0),
        first_ranks=torch.cat(ranks),
        precisions=torch.cat(precisions),
    )


def distance_at_far_exactly(unit: Tensor, classes: Classes, far: float) -> float:
    """Return the distance at which the pooled FAR reaches `far`; NaN without a negative pair."""
    histogram = DistanceHistogram(unit.device)
    for block in similarity_blocks(unit, classes):
        histogram.add(block)
    return histogram.distance_at(far)


def _count(
    unit: Tensor, classes: Classes, marks: Tensor, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Positive and negative pairs of each class within each mark, C x marks each."""
    ascending, order = marks.nan_to_num(0.0).sort()  # NaN: there is no negative pair
    counts = [
        torch.zeros(len(classes.sizes), len(marks) + 1, dtype=torch.int64, device=unit.device)
        for _ in range(2)
    ]
    for block in similarity_blocks(unit, classes):
        for mask, count in zip((block.positive, block.negative), counts, strict=True):
            count_within(block, mask, classes.members, ascending, count)
        progress(0.5 + 0.5 * (int(block.queries[-1]) + 1) / len(unit))
    back = order.argsort()
    positives, negatives = (count.cumsum(1)[:, back] for count in counts)
    return positives, negatives
