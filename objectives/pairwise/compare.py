"""Comparison of all pairs of samples: at speed in float32 where that will do, else exactly."""

import torch
from torch import Tensor

from objectives.calibration import Calibration
from objectives.pairwise.exact import compare_exactly, distance_at_far_exactly
from objectives.pairwise.one_pass import compare_in_one_pass, distance_at_far_in_one_pass
from objectives.pairwise.pair_statistics import Classes, PairStatistics
from objectives.pairwise.similarity import full_precision, unit_embeddings
from objectives.progress import Progress

__all__ = ["compare_all_pairs", "distance_at_pooled_far"]


def compare_all_pairs(
    embeddings: Tensor, classes: Classes, calibration: Calibration, progress: Progress
) -> PairStatistics:
    """Count pairs by distance and rank neighbours.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes, on the same device.
        calibration: Which thresholds.
        progress: Gets the share done.
    """
    with full_precision(embeddings.device):
        statistics = compare_in_one_pass(embeddings, classes, calibration, progress)
        if statistics is None:
            unit = unit_embeddings(embeddings, torch.float64)
            statistics = compare_exactly(unit, classes, calibration, progress)
    return statistics


def distance_at_pooled_far(embeddings: Tensor, classes: Classes, far: float) -> float:
    """Return the smallest distance at which the pooled FAR reaches `far`; NaN without a negative.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes, on the same device.
        far: Wanted share of negative pairs with distance <= threshold, in (0, 1).
    """
    with full_precision(embeddings.device):
        distance = distance_at_far_in_one_pass(embeddings, classes, far)
        if distance is None:
            unit = unit_embeddings(embeddings, torch.float64)
            distance = distance_at_far_exactly(unit, classes, far)
    return distance
