"""All pairs of samples, looked at once, tile by tile of the similarity matrix."""

from collections.abc import Iterator

import torch
from torch import Tensor

from objectives.pairwise.cpu_backend import CpuTiles
from objectives.pairwise.distance_estimate import Grid
from objectives.pairwise.pair_statistics import Progress
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.sorted_samples import SortedRows
from objectives.pairwise.torch_backend import DeviceTiles

__all__ = ["count_pairs"]


def count_pairs(rows: SortedRows, grid: Grid, ranks: Ranks, progress: Progress) -> Tensor:
    """Look at each pair of samples of two classes once.

    Args:
        rows: N samples.
        grid: The edges of the bins.
        ranks: Changed in place.
        progress: Gets the share done.

    Returns:
        G x (bins + 1) integers: the pairs with an end in each group, within each edge. A pair
        between two groups counts for both, one between two classes of one group twice for that.
    """
    n = len(rows.unit)
    most = int(rows.groups.bincount().max()) * n
    dtype = torch.int32 if most < 2**31 else torch.int64
    counts = torch.zeros(rows.group_count, grid.bins + 2, dtype=dtype, device=rows.unit.device)
    on_cpu = rows.unit.device.type == "cpu"
    tiles = (CpuTiles if on_cpu else DeviceTiles)(rows, grid, ranks, counts)
    side = tiles.side
    with tiles:
        for top, left in _corners(n, side):
            tiles.look_at(slice(top, min(top + side, n)), slice(left, min(left + side, n)))
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
