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
        samples: N samples; where only some are rows, each is paired with each column only.
        bins: The distances that are counted up to.
        ranks: Changed in place.
        progress: Gets the share done.

    Returns:
        G x (bins.count + 1) integers: the pairs with an end in each group, within each edge. A pair
        between two groups counts for both, one between two classes of one group twice for that.
    """
    most = int(samples.groups.bincount().max()) * len(samples.unit)
    dtype = torch.int32 if most < 2**31 else torch.int64
    device = samples.unit.device
    counts = torch.zeros(samples.group_count, bins.count + 2, dtype=dtype, device=device)
    on_cpu = device.type == "cpu"
    backend = (CpuBackend if on_cpu else TorchBackend)(samples, bins, ranks, counts)
    with backend:
        tiles = list(_tiles(samples, backend.side))
        areas = torch.tensor([_area(*tile) for tile in tiles], dtype=torch.float64).cumsum(0)
        for tile, share in zip(tiles, (areas / areas[-1]).tolist(), strict=True):
            backend.process(*tile)
            progress(share)
    return counts.cumsum_(1)[:, :-1]


def _tiles(samples: SortedSamples, side: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of each tile; of a square, of those on and above the diagonal."""
    height, n = samples.rows, len(samples.unit)
    for top in range(0, height, side):
        for left in range(top if samples.is_square else samples.first_column, n, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, n))


def _area(rows: slice, columns: slice) -> int:
    return int((rows.stop - rows.start) * (columns.stop - columns.start))
