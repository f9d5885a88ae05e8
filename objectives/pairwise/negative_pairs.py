"""Negative pairs counted by distance, tile by tile of the similarity matrix."""

from collections.abc import Iterator

import torch
from torch import Tensor

from objectives.pairwise.cpu_backend import CpuBackend
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.sorted_samples import SortedSamples
from objectives.pairwise.torch_backend import TorchBackend
from objectives.progress import Progress

__all__ = ["count_negative_pairs"]


def count_negative_pairs(
    samples: SortedSamples, bins: DistanceBins, ranks: Ranks, progress: Progress
) -> Tensor:
    """Compare each pair of samples of two classes once: count it, and rank it.

    Args:
        samples: N samples.
        bins: The distances that are counted up to.
        ranks: Changed in place.
        progress: Gets the share done.

    Returns:
        G x (bins.count + 1) integers: the pairs with an end in each group, within each edge. A pair
        between two groups counts for both, one between two classes of one group twice for that.
    """
    n = len(samples.unit)
    most = int(samples.groups.bincount().max()) * n
    dtype = torch.int32 if most < 2**31 else torch.int64
    device = samples.unit.device
    counts = torch.zeros(samples.group_count, bins.count + 2, dtype=dtype, device=device)
    on_cpu = device.type == "cpu"
    backend = (CpuBackend if on_cpu else TorchBackend)(samples, bins, ranks, counts)
    side = backend.side
    with backend:
        for top, left in _corners(n, side):
            backend.process(slice(top, min(top + side, n)), slice(left, min(left + side, n)))
            progress(_share(top, left, n, side))
    return counts.cumsum_(1)[:, :-1]


def _corners(n: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and column of each tile on and above the diagonal."""
    for top in range(0, n, side):
        for left in range(top, n, side):
            yield top, left


def _share(top: int, left: int, n: int, side: int) -> float:
    rows, columns = min(top + side, n), min(left + side, n)
    above = top * n - top * (top - 1) / 2
    return min(1.0, (above + (rows - top) * (columns - top)) / (n * (n + 1) / 2))
