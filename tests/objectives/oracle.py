"""Naive float64 versions of every definition in `objectives`: loops over samples, pairs, cells.

Distances are taken from the differences of the unit vectors, and rounded to 1e-9, so that pairs
equally far apart stay so whatever the order of their sums.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TIE = 1e-12  # similarities closer than this tie


@dataclass(frozen=True, kw_only=True)
class OracleScore:
    recall_at_1: float
    map_at_r: float
    opis: float
    opis_10: float
    d_min: float
    d_max: float
    thresholds: Floats
    classes: list[int]
    far: Floats
    frr: Floats
    utility: Floats
    hits: list[int]
    samples: list[int]
    unpaired: list[int]


def distances(embeddings: torch.Tensor) -> Floats:
    """N x N."""
    rows = [[float(value) for value in row] for row in embeddings.double()]
    unit = []
    for row in rows:
        norm = math.hypot(*row)
        unit.append(np.array([value / norm for value in row]))
    n = len(unit)
    result = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                result[i, j] = round(float(np.linalg.norm(unit[i] - unit[j])), 9)
    return result


def retrieval(
    distance: Floats, labels: list[int], queries: list[bool] | None = None
) -> tuple[float, float]:
    """Recall@1 over all samples (or queries), and MAP@R over those with a positive."""
    hits, precisions = hits_and_precisions(distance, labels, queries)
    return sum(hits.values()) / len(hits), float(np.mean(precisions)) if precisions else math.nan


def hits_and_precisions(
    distance: Floats, labels: list[int], queries: list[bool] | None = None
) -> tuple[dict[int, bool], list[float]]:
    """Whether each sample (or query) is a hit, and MAP@R of those with a positive."""
    hits, precisions = {}, []
    for query, label in enumerate(labels):
        if queries and not queries[query]:
            continue
        others = [j for j in range(len(labels)) if j != query and not (queries and queries[j])]
        similarity = {j: 1 - distance[query, j] ** 2 / 2 for j in others}
        positives = sorted((j for j in others if labels[j] == label), key=lambda j: -similarity[j])
        negatives = [j for j in others if labels[j] != label]
        if not positives:
            hits[query] = False
            continue
        at = set()
        for k, j in enumerate(positives, start=1):
            at.add(k + sum(similarity[m] >= similarity[j] - _TIE for m in negatives))
        hits[query] = 1 in at
        total, found = 0.0, 0
        for rank in range(1, len(positives) + 1):
            if rank in at:
                found += 1
                total += found / rank
        precisions.append(total / len(positives))
    return hits, precisions


def all_pairs(n: int, queries: list[bool] | None = None) -> list[tuple[int, int]]:
    """Each pair once; of queries and a gallery, those of one with the other."""
    pairs = [(i, j) for i in range(n) for j in range(i)]
    return pairs if queries is None else [(i, j) for i, j in pairs if queries[i] + queries[j] == 1]


def negative_distances(
    distance: Floats, labels: list[int], queries: list[bool] | None = None
) -> Floats:
    pairs = all_pairs(len(labels), queries)
    return np.array(sorted(distance[i, j] for i, j in pairs if labels[i] != labels[j]))


def distance_at_far(
    distance: Floats, labels: list[int], far: float, queries: list[bool] | None = None
) -> float:
    """The smallest distance at which the share of all negative pairs within it is far or more."""
    ascending = negative_distances(distance, labels, queries)
    for within, d in enumerate(ascending, start=1):
        if Fraction(within, len(ascending)) >= Fraction(str(far)):
            return float(d)
    return math.nan


def rates(positives: list[float], negatives: list[float], d: float) -> tuple[float, float]:
    """FAR and FRR of one class at one distance."""
    far = sum(x <= d for x in negatives) / len(negatives) if negatives else 0.0
    return far, sum(x > d for x in positives) / len(positives)


def utility(far: float, frr: float, c: float = 1.0) -> float:
    spec, sens = 1 - far, 1 - frr
    if c**2 * spec + sens == 0:
        return 0.0
    return (1 + c**2) * spec * sens / (c**2 * spec + sens)


def average(values: Floats, thresholds: Floats) -> float:
    """Trapezoid rule over the range, divided by its length."""
    span = thresholds[-1] - thresholds[0]
    if span == 0:
        return float(values[0])
    area = 0.0
    for t in range(len(thresholds) - 1):
        area += (thresholds[t + 1] - thresholds[t]) * (values[t] + values[t + 1]) / 2
    return float(area / span)


def opis(curves: Floats, thresholds: Floats, centre: Floats | None = None) -> float:
    if not len(curves):
        return math.nan
    mean = curves.mean(axis=0) if centre is None else centre
    return float(np.mean([average((curve - mean) ** 2, thresholds) for curve in curves]))


def epsilon_opis(curves: Floats, thresholds: Floats, epsilon: Fraction = Fraction(1, 10)) -> float:
    if len(curves) < 2:
        return 0.0 if len(curves) else math.nan
    order = sorted(range(len(curves)), key=lambda i: (round(average(curves[i], thresholds), 12), i))
    worst = math.ceil(epsilon * len(curves))
    gap = np.mean([curves[i] for i in order[:worst]], axis=0) - np.mean(
        [curves[i] for i in order[worst:]], axis=0
    )
    return average(gap**2, thresholds)


def sampling_variance(distance: Floats, label: int, labels: list[int], d: float) -> float:
    """Of the sensitivity of a class: its square less the mean product over two disjoint pairs."""
    members = [i for i, name in enumerate(labels) if name == label]
    pairs = [(i, j) for i in members for j in members if i < j]
    return _variance(distance, pairs, d)


def sampling_variance_between(
    distance: Floats, queries: list[int], gallery: list[int], d: float
) -> float:
    """The same of the pairs of a query and a gallery sample."""
    return _variance(distance, [(i, j) for i in queries for j in gallery], d)


def _variance(distance: Floats, pairs: list[tuple[int, int]], d: float) -> float:
    products = [
        float(distance[one] <= d and distance[other] <= d)
        for one in pairs
        for other in pairs
        if not set(one) & set(other)
    ]
    return float(np.mean([distance[pair] <= d for pair in pairs]) ** 2 - np.mean(products))


def floor(frr: Floats, far: Floats, variance: Floats, thresholds: Floats) -> float:
    """What noise adds to the variance of the utilities: theirs less that of shrunken classes."""
    classes, steps = frr.shape
    gaps = np.zeros(steps)
    for t in range(steps):
        sens = [1 - value for value in frr[:, t]]
        mean, accepted = float(np.mean(sens)), float(np.mean(far[:, t]))
        noise = (classes - 1) / classes * float(np.mean(variance[:, t]))
        spread = float(np.mean([(value - mean) ** 2 for value in sens]))
        rest = 1 - noise / spread if spread else 1.0
        factor = math.sqrt(abs(rest))
        shrunken = [min(max(mean + factor * (value - mean), 0.0), 1.0) for value in sens]
        noisy = float(np.var([utility(accepted, 1 - value) for value in sens]))
        true = float(np.var([utility(accepted, 1 - value) for value in shrunken]))
        gaps[t] = noisy - math.copysign(true, rest)
    return average(gaps, thresholds)


def score(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    *,
    fars: tuple[float, float] = (0.01, 0.1),
    span: tuple[float, float] | None = None,
    steps: int = 101,
    pooled: bool = False,
    queries: torch.Tensor | None = None,
) -> OracleScore:
    """Everything, by definition; needs a negative pair or an explicit span."""
    names = [int(label) for label in labels]
    distance = distances(embeddings)
    asks = None if queries is None else [bool(query) for query in queries]
    hits, _ = hits_and_precisions(distance, names, asks)
    recall, precision = retrieval(distance, names, asks)
    low, high = span or (
        distance_at_far(distance, names, fars[0], asks),
        distance_at_far(distance, names, fars[1], asks),
    )
    thresholds = np.array([low + (high - low) * t / (steps - 1) for t in range(steps)])
    pairs = all_pairs(len(names), asks)
    classes = sorted({names[i] for i, j in pairs if names[i] == names[j]})
    table = np.zeros((3, len(classes), steps))
    for row, name in enumerate(classes):
        ends = [(distance[i, j], (names[i] == name) + (names[j] == name)) for i, j in pairs]
        positives = [d for d, count in ends if count == 2]
        negatives = [d for d, count in ends if count == 1]
        for t, d in enumerate(thresholds):
            far, frr = rates(positives, negatives, d)
            table[:, row, t] = far, frr, utility(far, frr)
    centre = None
    if pooled:
        same = [distance[i, j] for i, j in pairs if names[i] == names[j]]
        other = [distance[i, j] for i, j in pairs if names[i] != names[j]]
        centre = np.array([utility(*rates(same, other, d)) for d in thresholds])
    return OracleScore(
        recall_at_1=recall,
        map_at_r=precision,
        opis=opis(table[2], thresholds, centre),
        opis_10=epsilon_opis(table[2], thresholds),
        d_min=low,
        d_max=high,
        thresholds=thresholds,
        classes=classes,
        far=table[0],
        frr=table[1],
        utility=table[2],
        hits=[sum(hit for i, hit in hits.items() if names[i] == name) for name in classes],
        samples=[sum(names[i] == name for i in hits) for name in classes],
        unpaired=[
            sum(names[i] == name for i in hits) for name in sorted(set(names) - set(classes))
        ],
    )


Point = tuple[float, float]


def dominates(a: Point, b: Point, signs: Point) -> bool:
    """Whether a is no worse in both and better in one; sign -1 where more is better."""
    left = [sign * x for sign, x in zip(signs, a, strict=True)]
    right = [sign * x for sign, x in zip(signs, b, strict=True)]
    return all(x <= y for x, y in zip(left, right, strict=True)) and left != right


def front_ranks(points: list[Point], signs: Point) -> list[int]:
    """Length of the longest chain of points of which each dominates the next, down to each."""
    known: dict[int, int] = {}

    def rank(i: int) -> int:
        if i not in known:
            above = [j for j in range(len(points)) if dominates(points[j], points[i], signs)]
            known[i] = 1 + max((rank(j) for j in above), default=-1)
        return known[i]

    return [rank(i) for i in range(len(points))]


def areas(points: list[Point], signs: Point, reference: Point) -> tuple[float, list[float]]:
    """Area within the reference that any point dominates, and that each alone does."""
    costs = [(signs[0] * x, signs[1] * y) for x, y in points]
    corner = signs[0] * reference[0], signs[1] * reference[1]
    xs = sorted({x for x, _ in costs if x < corner[0]} | {corner[0]})
    ys = sorted({y for _, y in costs if y < corner[1]} | {corner[1]})
    whole, alone = 0.0, [0.0] * len(points)
    for left, right in pairwise(xs):
        for bottom, top in pairwise(ys):
            cell = (right - left) * (top - bottom)
            owners = [i for i, (x, y) in enumerate(costs) if x <= left and y <= bottom]
            if owners:
                whole += cell
            if len(owners) == 1:
                alone[owners[0]] += cell
    return whole, alone
