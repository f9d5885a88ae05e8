"""Score of a set of embeddings: accuracy and threshold consistency together."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.calibration import DEFAULT_CALIBRATION, Calibration
from objectives.consistency import epsilon_opis, mean_over_range, opis, utility
from objectives.errors import InputError
from objectives.noise_floor import NoiseFloor, noise_floor
from objectives.pairwise import (
    Classes,
    PairStatistics,
    check_embeddings,
    check_queries,
    compare_all_pairs,
    distance_at_pooled_far,
    sampling_variance,
)
from objectives.progress import Progress, ignore_progress
from objectives.retrieval import DEEPEST

__all__ = ["Score", "distance_at_far", "score_embeddings"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """Scores of a set of embeddings, and what they are made of.

    Where queries were scored against a gallery, "samples" below are the queries, their "other
    samples" the gallery; pairs have one end in each, and a class is left out of averages over
    classes unless it has a query and a gallery sample. Without, all samples are both.

    Attributes:
        recall_at_1: Share of samples whose nearest other sample has their label. Ties count
            against the sample, and so does having no positive.
        map_at_r: Mean over the samples with a positive of MAP@R.
        opis: OPIS over the calibration range; 0 is best, 0.25 worst (1 with the pooled mean).
        noise: What sampling alone would make of OPIS, and OPIS less that; see `noise_floor`.
        opis_10: 10%-OPIS over the same; 0 is best, 1 worst.
        d_min: Lower end of the calibration range, a distance in [0, 2].
        d_max: Upper end.
        operating_threshold: The distance at which the pooled FAR is `Calibration.operating_far`.
        thresholds: T distances, uniform over the range.
        classes: C labels of the classes with two samples or more, ascending; of queries, of those
            that the gallery has too.
        samples: C numbers of samples.
        hits: C numbers of samples whose nearest other sample has their label.
        singletons: Number of the other classes, those left out.
        unpaired: Their numbers of samples: 1 each; of queries, 0 for a class of the gallery only.
        utility: C x T utilities of these classes at the thresholds.
        far: C x T false acceptance rates.
        frr: C x T false rejection rates.
        operating_far: C false acceptance rates at the operating threshold.
        operating_frr: C false rejection rates there.
        centre: T utilities that OPIS compares each class with.
        pooled: Whether these are the utilities of the pooled pairs, and not the mean over classes.
        ranks: 16 numbers of samples whose nearest positive has rank 1, 2, ... 16.

    Without a negative pair (one class only) there is no calibration range unless it is given as
    distances, and without a positive pair no utility: what rests on either is NaN.
    """

    recall_at_1: float
    map_at_r: float
    opis: float
    noise: NoiseFloor
    opis_10: float
    d_min: float
    d_max: float
    operating_threshold: float
    thresholds: Tensor
    classes: Tensor
    samples: Tensor
    hits: Tensor
    singletons: int
    unpaired: Tensor
    utility: Tensor
    far: Tensor
    frr: Tensor
    operating_far: Tensor
    operating_frr: Tensor
    centre: Tensor
    pooled: bool
    ranks: Tensor

    @property
    def opis_floor(self) -> float:
        """OPIS that sampling alone makes of the classes of ``noise``; NaN where they are none."""
        return float(self.noise.floors.mean())

    @property
    def opis_corrected(self) -> float:
        """OPIS of the same classes less their floor; negative where that is more; else NaN."""
        return float(self.noise.corrected.mean())

    def metrics(self) -> dict[str, float]:
        """Return the scalars by name; OPIS's floor, and OPIS corrected, where they exist.

        ``operating_far`` and ``operating_frr`` are means over classes.
        """
        names = (
            "recall_at_1",
            "opis",
            *(("opis_floor", "opis_corrected") if self.noise.classes else ()),
            "opis_10",
            "map_at_r",
            "d_min",
            "d_max",
            "operating_threshold",
        )
        means = {"operating_far": self.operating_far, "operating_frr": self.operating_frr}
        return {name: getattr(self, name) for name in names} | {
            name: float(of_classes.mean()) for name, of_classes in means.items()
        }

    def recall_at(self, k: int) -> float:
        """Return Recall@k: the share of samples with one of their label among the k nearest.

        Raises:
            ValueError: k is not in 1 ... 16.
        """
        if not 1 <= k <= DEEPEST:
            raise ValueError(f"k ({k}) must lie in 1 ... {DEEPEST}")
        return int(self.ranks[:k].sum()) / int(self.samples.sum() + self.unpaired.sum())

    def per_class(self) -> dict[str, Tensor]:
        """Return what each of the C classes contributes, C values each, by name.

        ``label``, ``samples``; ``recall_at_1``; ``far`` and ``frr`` at the operating threshold;
        over the calibration range the mean ``utility``, its mean ``deviation`` from the centre
        (negative: worse than most), and ``opis``, the mean squared deviation, whose mean over
        classes is OPIS.
        """
        deviation = self.utility - self.centre
        return {
            "label": self.classes,
            "samples": self.samples,
            "recall_at_1": self.hits.double() / self.samples,
            "far": self.operating_far,
            "frr": self.operating_frr,
            "utility": mean_over_range(self.utility, self.thresholds),
            "deviation": mean_over_range(deviation, self.thresholds),
            "opis": mean_over_range(deviation.square(), self.thresholds),
        }


def score_embeddings(
    embeddings: Tensor,
    labels: Tensor,
    calibration: Calibration = DEFAULT_CALIBRATION,
    *,
    queries: Tensor | None = None,
    progress: Progress = ignore_progress,
) -> Score:
    """Score embeddings by R@1, MAP@R, OPIS and 10%-OPIS (Zhang et al., arXiv 2307.04047).

    Embeddings are L2-normalised; distances are Euclidean on the unit sphere. For a class with two
    samples or more, positives are its within-class pairs and negatives all pairs with exactly one
    end in it. Classes with one sample serve as others' negatives and are left out of averages over
    classes.

    With `queries` the other samples are the gallery, and each query is compared with the gallery
    alone, as deployed: In-Shop's protocol (Liu et al., "DeepFashion", CVPR 2016). Recall@k and
    MAP@R are those of the queries; one whose class the gallery lacks is a miss in Recall@k, and
    left out of MAP@R. Positives of a class are the pairs of its queries with its gallery samples,
    negatives all pairs of a query and a gallery sample with exactly one end in it; FAR, FRR,
    utility, OPIS and thresholds rest on these. Classes without a query, or without a gallery
    sample, serve as others' negatives and are left out of averages over classes.

    Sets of more than 1 024 samples take one float32 pass over the pairs, on the embeddings' device.
    What float32 leaves open of the ranks of a sample's 16 nearest positives is decided in float64,
    so Recall@k is exact, and MAP@R of samples with up to 16 positives; near ties of farther ones
    count against them. Pairs are counted within each distance of a grid around the
    calibration range, at least four to a step between thresholds; range and thresholds are the
    nearest of these distances. Smaller sets, sets whose distances float32 cannot tell apart, and on
    a GPU sets of a few huge classes take two passes in float64, to the thresholds asked for.

    A class of few samples has a noisy utility, and OPIS takes the noise for inconsistency. So
    beside it stand its noise floor and OPIS less that (Lum et al., arXiv 2205.05770; see
    `noise_floor`), over the classes of `Calibration.min_samples_per_class` samples or more, of
    queries with two of them and two in the gallery; NaN where there are less than two such classes.

    A class of few samples has a noisy utility, and OPIS takes the noise for inconsistency. So
    beside it stand its noise floor and OPIS less that (Lum et al., arXiv 2205.05770; see
    `noise_floor`), over the classes of `Calibration.min_samples_per_class` samples or more, of
    queries with two of them and two in the gallery; NaN where there are less than two such classes.

    Args:
        embeddings: N x D, any floating dtype, N >= 2.
        labels: N integers.
        calibration: Range and resolution of the thresholds.
        queries: N bool, some of each; None compares each sample with all others.
        progress: Gets the share done, in (0, 1], from time to time.

    Raises:
        InputError: Shapes do not fit, a value is not finite, a row is all zeros, or there is no
            query, or nothing but queries.
    """
    classes = _classes(embeddings, labels, queries)
    pairs = compare_all_pairs(embeddings, classes, calibration, progress)
    least = calibration.min_samples_per_class
    variance = sampling_variance(embeddings, classes, pairs.thresholds, least=least)
    progress(1.0)
    return _assemble(pairs, variance, classes, calibration)


def distance_at_far(
    embeddings: Tensor, labels: Tensor, far: float, *, queries: Tensor | None = None
) -> float:
    """Return the smallest distance threshold at which the pooled FAR reaches `far`.

    Exact to 1e-5, always rounded up; NaN where there is no negative pair.

    Args:
        embeddings: N x D, any floating dtype, N >= 2.
        labels: N integers.
        far: Wanted share of negative pairs with distance <= threshold, in (0, 1).
        queries: N bool; only pairs of one of them and one of the others count. None: all pairs.

    Raises:
        InputError: As `score_embeddings`, or `far` is out of range.
    """
    if not 0 < far < 1:
        raise InputError(f"far ({far}) must lie between 0 and 1", field=("far",))
    return distance_at_pooled_far(embeddings, _classes(embeddings, labels, queries), far)


def _classes(embeddings: Tensor, labels: Tensor, queries: Tensor | None) -> Classes:
    """Check what can be scored, and return its classes on the embeddings' device."""
    check_embeddings(embeddings, labels)
    if queries is not None:
        check_queries(queries, len(labels))
        queries = queries.to(embeddings.device)
    return Classes.of(labels.to(embeddings.device), queries)


def _assemble(
    pairs: PairStatistics, variance: Tensor, classes: Classes, calibration: Calibration
) -> Score:
    paired = classes.paired
    far, frr = _error_rates(pairs, classes, paired)
    thresholds = pairs.thresholds
    undefined = bool(thresholds.isnan().any())
    if undefined:
        far, frr = torch.full_like(far, math.nan), torch.full_like(frr, math.nan)
    pooled = _pooled_utility(pairs, classes) if calibration.mean == "pooled" else None
    curves = utility(far, frr)[:, :-1]
    centre = curves.mean(0) if pooled is None else pooled
    rates = far[:, :-1], frr[:, :-1]
    hit = pairs.first_ranks == 1
    hits = torch.zeros_like(classes.sizes).index_add_(0, classes.members, hit.long())
    return Score(
        recall_at_1=int(hit.sum()) / int(classes.query_sizes.sum()),
        map_at_r=float(pairs.precisions.nanmean()),
        opis=math.nan if undefined else opis(curves, thresholds, centre),
        noise=NoiseFloor()
        if undefined
        else noise_floor(curves, *rates, variance, thresholds, pooled),
        opis_10=math.nan if undefined else epsilon_opis(curves, thresholds, 0.1),
        d_min=float(thresholds[0]),
        d_max=float(thresholds[-1]),
        operating_threshold=pairs.operating_threshold,
        thresholds=thresholds,
        classes=classes.labels[paired],
        samples=classes.query_sizes[paired],
        hits=hits[paired],
        singletons=int((~paired).sum()),
        unpaired=classes.query_sizes[~paired],
        utility=curves,
        far=rates[0],
        frr=rates[1],
        operating_far=far[:, -1],
        operating_frr=frr[:, -1],
        centre=centre,
        pooled=pooled is not None,
        ranks=pairs.first_ranks.clamp(max=DEEPEST + 1).bincount(minlength=DEEPEST + 2)[1:-1],
    )


def _error_rates(pairs: PairStatistics, classes: Classes, paired: Tensor) -> tuple[Tensor, Tensor]:
    """FAR and FRR, P x (T + 1) float64; a class without a negative has FAR 0."""
    far = pairs.negatives / classes.negative_pairs[paired, None].clamp(min=1).double()
    frr = 1 - pairs.positives / classes.positive_pairs[paired, None].double()
    return far, frr


def _pooled_utility(pairs: PairStatistics, classes: Classes) -> Tensor:
    """T utilities of all pairs taken together."""
    far = pairs.pooled_negatives / classes.negative_pairs.sum().clamp(min=1).double()
    frr = 1 - pairs.positives.sum(0) / classes.positive_pairs.sum().double()
    return utility(far, frr)[:-1]
