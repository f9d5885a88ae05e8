"""Score a set of embeddings: accuracy and threshold consistency together."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from objectives.consistency import (
    DistanceHistogram,
    count_within,
    epsilon_opis,
    error_rates,
    opis,
    utility,
)
from objectives.errors import InputError
from objectives.retrieval import mean_average_precision_at_r, rank_positives, recall_at_1
from objectives.similarity import similarity_blocks, unit_embeddings

__all__ = ["Calibration", "Score", "distance_at_far", "score_embeddings"]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Where and how consistency is judged.

    Attributes:
        far_min: FAR pooled over all negative pairs at the lower end of the calibration range.
        far_max: The same at the upper end.
        d_min: Lower end as an explicit distance in [0, 2]; then `d_max` must be given too, and
            the two FARs are not used.
        d_max: Upper end as an explicit distance.
        thresholds: Number of thresholds, uniform in distance over the range; at least 101.
        operating_far: Pooled FAR at the operating threshold.
        mean: What OPIS compares each class with: the mean utility over classes, or the utility
            of the pooled pairs.

    Raises:
        InputError: A value is out of its range.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (for pydantic models that hold one)

    far_min: float = 0.01
    far_max: float = 0.10
    d_min: float | None = None
    d_max: float | None = None
    thresholds: int = 101
    operating_far: float = 0.05
    mean: Literal["classes", "pooled"] = "classes"

    def __post_init__(self) -> None:
        if not 0 < self.far_min < self.far_max < 1:
            raise InputError(
                f"far_min ({self.far_min}) and far_max ({self.far_max}) must satisfy "
                "0 < far_min < far_max < 1"
            )
        if not 0 < self.operating_far < 1:
            raise InputError(f"operating_far ({self.operating_far}) must lie between 0 and 1")
        if self.mean not in ("classes", "pooled"):
            raise InputError(f"mean ({self.mean!r}) must be 'classes' or 'pooled'")
        if not self.thresholds >= 101:
            raise InputError(f"thresholds ({self.thresholds}) must be 101 or more")
        if (self.d_min is None) != (self.d_max is None):
            raise InputError("d_min and d_max must be given together")
        if (
            self.d_min is not None
            and self.d_max is not None
            and not 0 <= self.d_min < self.d_max <= 2
        ):
            raise InputError(
                f"d_min ({self.d_min}) and d_max ({self.d_max}) must satisfy "
                "0 <= d_min < d_max <= 2"
            )


DEFAULT_CALIBRATION: Final = Calibration()


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """What a set of embeddings is worth.

    Attributes:
        recall_at_1: Share of samples whose nearest other sample has their label. Ties count
            against the sample, and so does having no positive.
        map_at_r: Mean over the samples with a positive of MAP@R.
        opis: OPIS over the calibration range; 0 is best, 0.25 worst (1 with the pooled mean).
        opis_10: 10%-OPIS over the same; 0 is best, 1 worst.
        d_min: Lower end of the calibration range, a distance in [0, 2].
        d_max: Upper end.
        operating_threshold: The distance at which the pooled FAR is `Calibration.operating_far`.
        thresholds: T distances, uniform over the range.
        classes: C labels of the classes with two samples or more, ascending.
        utility: C x T utilities of these classes at the thresholds.
        far: C x T false acceptance rates.
        frr: C x T false rejection rates.

    Without a negative pair (one class only) there is no calibration range unless it is given as
    distances, and without a positive pair no utility: what rests on either is NaN.
    """

    recall_at_1: float
    map_at_r: float
    opis: float
    opis_10: float
    d_min: float
    d_max: float
    operating_threshold: float
    thresholds: Tensor
    classes: Tensor
    utility: Tensor
    far: Tensor
    frr: Tensor

    def metrics(self) -> dict[str, float]:
        """Return the scalars by name."""
        names = (
            "recall_at_1",
            "opis",
            "opis_10",
            "map_at_r",
            "d_min",
            "d_max",
            "operating_threshold",
        )
        return {name: getattr(self, name) for name in names}


def score_embeddings(
    embeddings: Tensor, labels: Tensor, calibration: Calibration = DEFAULT_CALIBRATION
) -> Score:
    """Score embeddings by R@1, MAP@R, OPIS and 10%-OPIS (Zhang et al., arXiv 2307.04047).

    Embeddings are L2-normalised; distances are Euclidean on the unit sphere; all arithmetic is in
    float64, on the embeddings' device. For a class with two samples or more, positives are its
    within-class pairs and negatives all pairs with exactly one end in it. Classes with one sample
    serve as others' negatives and are left out of averages over classes.

    Args:
        embeddings: N x D, any floating dtype, N >= 2.
        labels: N integers.
        calibration: Range and resolution of the thresholds.

    Raises:
        InputError: Shapes do not fit, a value is not finite, or a row is all zeros.
    """
    unit = unit_embeddings(embeddings, labels)
    classes, members, sizes = torch.unique(
        labels.to(unit.device), return_inverse=True, return_counts=True
    )
    most_positives = int(sizes.max()) - 1
    histogram = DistanceHistogram(unit.device)
    hits, precisions = [], []
    for block in similarity_blocks(unit, members):
        ranked = rank_positives(block, most_positives)
        hits.append(recall_at_1(ranked))
        precisions.append(mean_average_precision_at_r(ranked))
        histogram.add(block)
    d_min, d_max = _calibration_range(histogram, calibration)
    thresholds = torch.linspace(d_min, d_max, calibration.thresholds, dtype=torch.float64)
    thresholds = thresholds.to(unit.device)
    positives, negatives = _count_pairs(unit, members, len(classes), thresholds)
    plural = sizes > 1
    far, frr = error_rates(positives[plural], negatives[plural])
    undefined = math.isnan(d_min)
    if undefined:
        far, frr = torch.full_like(far, math.nan), torch.full_like(frr, math.nan)
    curves = utility(far, frr)
    mean = _pooled_utility(positives, negatives) if calibration.mean == "pooled" else None
    return Score(
        recall_at_1=float(torch.cat(hits).double().mean()),
        map_at_r=float(torch.cat(precisions).nanmean()),
        opis=math.nan if undefined else opis(curves, thresholds, mean),
        opis_10=math.nan if undefined else epsilon_opis(curves, thresholds, 0.1),
        d_min=d_min,
        d_max=d_max,
        operating_threshold=histogram.distance_at(calibration.operating_far),
        thresholds=thresholds,
        classes=classes[plural],
        utility=curves,
        far=far,
        frr=frr,
    )


def distance_at_far(embeddings: Tensor, labels: Tensor, far: float) -> float:
    """Return the smallest distance threshold at which the pooled FAR reaches `far`.

    Exact to 2e-6, always rounded up; NaN where there is no negative pair.

    Args:
        embeddings: N x D, any floating dtype, N >= 2.
        labels: N integers.
        far: Wanted share of negative pairs with distance <= threshold, in (0, 1).

    Raises:
        InputError: As `score_embeddings`, or `far` is out of range.
    """
    if not 0 < far < 1:
        raise InputError(f"far ({far}) must lie between 0 and 1")
    unit = unit_embeddings(embeddings, labels)
    histogram = DistanceHistogram(unit.device)
    for block in similarity_blocks(unit, labels.to(unit.device)):
        histogram.add(block)
    return histogram.distance_at(far)


def _calibration_range(
    histogram: DistanceHistogram, calibration: Calibration
) -> tuple[float, float]:
    if calibration.d_min is not None and calibration.d_max is not None:
        return calibration.d_min, calibration.d_max
    return histogram.distance_at(calibration.far_min), histogram.distance_at(calibration.far_max)


def _count_pairs(
    unit: Tensor, members: Tensor, classes: int, thresholds: Tensor
) -> tuple[Tensor, Tensor]:
    """Positive and negative pairs of each class, C x (T + 1), by distance."""
    shape = (classes, len(thresholds) + 1)
    positives = torch.zeros(shape, dtype=torch.int64, device=unit.device)
    negatives = torch.zeros_like(positives)
    for block in similarity_blocks(unit, members):
        count_within(block, block.positive, members, thresholds, positives)
        count_within(block, block.negative, members, thresholds, negatives)
    return positives, negatives


def _pooled_utility(positives: Tensor, negatives: Tensor) -> Tensor:
    """T utilities of all pairs taken together."""
    far, frr = error_rates(positives.sum(0, keepdim=True), negatives.sum(0, keepdim=True))
    return utility(far, frr)[0]
