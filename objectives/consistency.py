"""Threshold consistency: utility curves, OPIS and epsilon-OPIS.

Zhang et al., "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning", ICLR 2024,
arXiv 2307.04047.
"""

import math

import torch
from torch import Tensor

__all__ = ["epsilon_opis", "mean_over_range", "opis", "utility"]


def utility(far: Tensor, frr: Tensor, c: float = 1.0) -> Tensor:
    """U = (1 + c^2) spec sens / (c^2 spec + sens), 0 where the denominator is 0.

    spec = 1 - FAR and sens = 1 - FRR. This is not the F1 score of precision and recall.

    Args:
        far: False acceptance rates in [0, 1], any shape.
        frr: False rejection rates in [0, 1], same shape.
        c: Weight of sensitivity against specificity.
    """
    spec, sens = 1 - far, 1 - frr
    denominator = c**2 * spec + sens
    value = (1 + c**2) * spec * sens / denominator
    return torch.where(denominator == 0, 0.0, value)


def opis(curves: Tensor, thresholds: Tensor, mean: Tensor | None = None) -> float:
    """Operating-Point-Inconsistency Score: how far the classes' utility curves lie apart.

    Mean over classes of the average over the calibration range of (U_i(d) - mean(d))^2, by the
    trapezoid rule. 0 means that every class behaves alike at every threshold; at most 1/4 where
    the mean is that over classes, 1 otherwise. Where the range is a single point, the value there.

    Args:
        curves: C x T utilities.
        thresholds: T ascending distances.
        mean: T, the curve to compare with; the mean over classes if None.

    Returns:
        The score; NaN without a class.
    """
    centre = curves.mean(0) if mean is None else mean
    return float(mean_over_range((curves - centre).square().mean(0), thresholds))


def epsilon_opis(curves: Tensor, thresholds: Tensor, epsilon: float = 0.1) -> float:
    """epsilon-OPIS: the squared gap between the worst classes' mean utility and the rest's.

    The worst are the ceil(epsilon C) classes with the lowest utility averaged (trapezoid rule)
    over the calibration range; ties go to the lower class number. A single class has no rest
    and scores 0.

    Args:
        curves: C x T utilities.
        thresholds: T ascending distances.
        epsilon: Share of classes in (0, 1).

    Returns:
        The score in [0, 1]; NaN without a class.
    """
    if len(curves) < 2:
        return 0.0 if len(curves) else math.nan
    worst_first = torch.argsort(mean_over_range(curves, thresholds), stable=True)
    worst = min(math.ceil(epsilon * len(curves) - 1e-9), len(curves) - 1)
    gap = curves[worst_first[:worst]].mean(0) - curves[worst_first[worst:]].mean(0)
    return float(mean_over_range(gap.square(), thresholds))


def mean_over_range(values: Tensor, thresholds: Tensor) -> Tensor:
    """Average `values` (... x T) over the range of the T thresholds, by the trapezoid rule."""
    span = thresholds[-1] - thresholds[0]
    if span == 0:
        return values[..., 0]
    return torch.trapezoid(values, thresholds, dim=-1) / span
