"""Positive pairs without a common sample, and the sampling variance that they tell."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from objectives.pairwise.cpu_backend import one_torch_thread
from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.similarity import distances_of, full_precision, unit_embeddings

__all__ = ["sampling_variance"]

# Of a class with more samples so many, drawn at random, say how its pairs depend on each other.
_MOST: Final = 64
_BLOCK_BYTES: Final = 32 * 2**20
# Sets that are no larger take no time in float64; nor is float32 fine enough for nearer samples.
_SMALL: Final = 1024
_NEAR: Final = 0.01
# What `DistanceHistogram` and `SimilarityBlock` call the same distance, and the same point.
_ROUNDING: Final = 1e-9
_EQUAL: Final = 1e-6


def sampling_variance(
    embeddings: Tensor, classes: Classes, thresholds: Tensor, *, least: int
) -> Tensor:
    """Return how much the sensitivity of each class would vary over other samples of it.

    The sensitivity of a class is the mean over its K pairs of whether they are accepted, and pairs
    with a common sample depend on each other. Its variance is its square less the square of the
    true one, and of that the products over pairs without a common sample are an unbiased estimate
    (the variance of a U-statistic; Hoeffding, 1948). Of K = n (n - 1) / 2 pairs of a class S are
    accepted, r_a of them with sample a: of [K (K - 1) - n (n - 1) (n - 2)] ordered such products
    [S^2 - S - sum r_a (r_a - 1)] are 1. An estimate can be negative. The same way with a gallery,
    where pairs share a query or a gallery sample.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        classes: Their classes.
        thresholds: T ascending distances.
        least: Samples that a class must have; at least 4, for two pairs without a common one.

    Returns:
        P x T float64, for the classes with a positive pair; NaN for those of fewer samples, or with
        less than two queries or two gallery samples.
    """
    paired = classes.paired
    heights, widths = classes.query_sizes[paired], classes.gallery_sizes[paired]
    variance = torch.full(
        (len(heights), len(thresholds)), torch.nan, dtype=torch.float64, device=thresholds.device
    )
    estimable = classes.sizes[paired] >= least
    estimable &= (heights >= 2) & (widths >= 2)
    exact = len(embeddings) <= _SMALL or not float(thresholds[0]) > _NEAR
    dtype = torch.float64 if exact else torch.float32
    with full_precision(embeddings.device), one_torch_thread():
        steps = len(thresholds)
        for some, rows, columns in _blocks(embeddings.detach(), classes, estimable, steps, dtype):
            sizes = heights[some, None].double(), widths[some, None].double()
            if columns is None:
                variance[some] = _among(_bins(rows, rows, thresholds), sizes[0], steps)
            else:
                variance[some] = _between(_bins(rows, columns, thresholds), *sizes, steps)
    return variance


def _blocks(
    embeddings: Tensor, classes: Classes, estimable: Tensor, steps: int, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield numbers of classes of one shape, their unit queries, and gallery (None: the same)."""
    paired, is_query = classes.paired, classes.is_query
    mixed = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(0))
    mixed = mixed.to(classes.members.device)
    keys = 2 * classes.members + (0 if is_query is None else ~is_query)
    order = mixed[torch.argsort(keys[mixed], stable=True)]
    starts = (classes.sizes.cumsum(0) - classes.sizes)[paired]
    heights, widths = classes.query_sizes[paired], classes.gallery_sizes[paired]
    shapes = torch.stack([heights, widths], dim=1).clamp(max=_MOST)
    for height, width in shapes[estimable].unique(dim=0).tolist():
        alike = (estimable & (shapes == shapes.new_tensor([height, width])).all(1)).nonzero()[:, 0]
        side = max(height, width)
        held = max(side * max(side, embeddings.shape[1]), 2 * (steps + 1))
        for some in alike.split(max(1, _BLOCK_BYTES // (8 * held))):
            rows = _unit(embeddings, order, starts[some], height, dtype)
            columns = None
            if is_query is not None:
                columns = _unit(embeddings, order, starts[some] + heights[some], width, dtype)
            yield some, rows, columns


def _unit(
    embeddings: Tensor, order: Tensor, starts: Tensor, count: int, dtype: torch.dtype
) -> Tensor:
    """Return so many unit rows from each of these places on, classes x count x D."""
    places = starts[:, None] + torch.arange(count, device=starts.device)
    unit = unit_embeddings(embeddings[order[places.flatten()]], dtype)
    return unit.view(len(starts), count, -1)


def _bins(rows: Tensor, columns: Tensor, thresholds: Tensor) -> Tensor:
    """Return the first threshold that each pair is within, T where there is none."""
    distance = distances_of(rows @ columns.transpose(1, 2))
    bins = torch.bucketize(distance, thresholds.clamp(min=_EQUAL) + _ROUNDING)
    if rows is columns:
        bins.diagonal(dim1=1, dim2=2).fill_(len(thresholds))
    return bins


def _within(bins: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return how many pairs are within each threshold, and how many two of them share a row.

    Both are classes x T float64, the second sum r (r - 1) over the rows: with its k-th nearest
    column a row gets 2 (k - 1) of them.
    """
    nearest = bins.sort(dim=2).values.flatten(1)
    more = 2.0 * torch.arange(bins.shape[2], dtype=torch.float64, device=bins.device)
    counts = torch.zeros(2, len(bins), steps + 1, dtype=torch.float64, device=bins.device)
    counts[0].scatter_add_(1, nearest, torch.ones_like(nearest, dtype=torch.float64))
    counts[1].scatter_add_(1, nearest, more.repeat(bins.shape[1]).expand_as(nearest))
    pairs, sharing = counts.cumsum_(2)[..., :-1]
    return pairs, sharing


def _among(bins: Tensor, n: Tensor, steps: int) -> Tensor:
    """Return the variance where each sample is compared with all others of its class of n."""
    m = bins.shape[1]
    total, sharing = _within(bins, steps)
    total = total / 2
    triples, pairs = m * (m - 1) * (m - 2), m * (m - 1) / 2
    apart = (total.square() - total - sharing) / (pairs * (pairs - 1) - triples)
    own, common = total / pairs - apart, sharing / triples - apart
    return (2 * own + 4 * (n - 2) * common) / (n * (n - 1))


def _between(bins: Tensor, queries: Tensor, gallery: Tensor, steps: int) -> Tensor:
    """Return the variance where queries of a class are compared with its gallery samples."""
    height, width = bins.shape[1:]
    total, same_query = _within(bins, steps)
    same_sample = _within(bins.transpose(1, 2), steps)[1]
    pairs, rest = height * width, (height - 1) * (width - 1)
    apart = (total.square() - total - same_query - same_sample) / (pairs * rest)
    own = total / pairs - apart
    query = same_query / (pairs * (width - 1)) - apart
    sample = same_sample / (pairs * (height - 1)) - apart
    return (own + (gallery - 1) * query + (queries - 1) * sample) / (queries * gallery)
