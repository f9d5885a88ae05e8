"""Whole rows of the similarity matrix compared on a CPU, for the samples of large classes.

The positives of such a class are too many to be held, and to be put in order one by one while tiles
come by. A whole row tells all of its sample at once, and is forgotten. So each pair is taken twice,
once from each end: twice the product, but of the rest a fraction.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from objectives.pairwise.cpu_backend import side_by_side
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.sorted_samples import SortedSamples

__all__ = ["WholeRows"]

# Of the rows that all threads work on.
_PANEL_BYTES: Final = 64 * 2**20
# Of one product: what is read and written fits the second-level cache.
_WIDTH: Final = 512
# Fewer slow the product down, more do not speed it up.
_HEIGHTS: Final = (32, 256)


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """Some rows of one large class, and the columns that they are compared with.

    Attributes:
        number: Of the class among the large ones.
        rows: The rows.
        columns: All columns, or, for samples of a gallery, all queries.
        own: Those of the class, counted from the first of the columns.
        is_asked: Whether the rows are queries, whose positives count.
    """

    number: int
    rows: slice
    columns: slice
    own: tuple[int, int]
    is_asked: bool

    @property
    def area(self) -> int:
        """The number of similarities."""
        return int((self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start))


class WholeRows:
    """Comparison of the samples of large classes with all others.

    Args:
        samples: N samples.
        bins: The distances that are counted up to.
        ranks: Where the ranks of these samples go, if they are asked for.
        negatives: G x (bins.count + 2) integers, to which are added the numbers of negatives in
            each bin, from their ends in large classes.
        positives: L x (bins.count + 2) int64, to which are added those of positives.
    """

    def __init__(
        self,
        samples: SortedSamples,
        bins: DistanceBins,
        ranks: Ranks,
        negatives: Tensor,
        positives: Tensor,
    ) -> None:
        self._samples, self._bins, self._ranks = samples, bins, ranks
        self._negatives, self._positives = negatives, positives
        self._threads = torch.get_num_threads()
        self._panels = list(self._cut())
        self._exact: Any = np.empty((0, 0))
        self._lock = Lock()
        self._buffers: SimpleQueue[Tensor] = SimpleQueue()

    @property
    def area(self) -> int:
        """The number of similarities."""
        return sum(panel.area for panel in self._panels)

    def compare(self, advance: Callable[[int], None]) -> None:
        """Compare; `advance` gets how many similarities were done since it was called last."""
        if not self._panels:
            return
        # Compiled, or read from numba's cache: a second that other uses of this package need not.
        from objectives.pairwise.row_kernels import for_whole_rows

        self._kernel = for_whole_rows
        if len(self._ranks.first):
            self._exact = self._samples.exact.numpy()
        for _ in range(self._threads):
            self._buffers.put(torch.empty(max(panel.area for panel in self._panels)))
        with side_by_side(self._threads) as pool:
            for panel, _ in zip(self._panels, pool.map(self._take, self._panels), strict=True):
                advance(panel.area)

    def _cut(self) -> Iterator[_Panel]:
        samples = self._samples
        columns, queries = slice(samples.first_column, len(samples.unit)), slice(0, samples.rows)
        for number, block in enumerate(samples.blocks[: samples.large].tolist()):
            asked = slice(block[0], block[0] + block[1])
            others = slice(block[2], block[2] + block[3])
            yield from self._panels_of(number, asked, columns, others, is_asked=True)
            if not samples.is_square:
                yield from self._panels_of(number, others, queries, asked, is_asked=False)

    def _panels_of(
        self, number: int, rows: slice, columns: slice, own: slice, *, is_asked: bool
    ) -> Iterator[_Panel]:
        """Cut rows into parts of about one height."""
        least, most = _HEIGHTS
        width, count = columns.stop - columns.start, rows.stop - rows.start
        height = min(max(_PANEL_BYTES // (4 * width * self._threads), least), most)
        parts = -(-count // height)
        cuts = [rows.start + count * part // parts for part in range(parts + 1)]
        for start, stop in pairwise(cuts):
            yield _Panel(
                number=number,
                rows=slice(start, stop),
                columns=columns,
                own=(own.start - columns.start, own.stop - columns.start),
                is_asked=is_asked,
            )

    def _take(self, panel: _Panel) -> None:
        buffer = self._buffers.get()
        try:
            self._compare(panel, buffer[: panel.area])
        finally:
            self._buffers.put(buffer)

    @torch.inference_mode()  # which a thread does not have from the one that starts it
    def _compare(self, panel: _Panel, buffer: Tensor) -> None:
        samples, ranks, bins = self._samples, self._ranks, self._bins
        rows, columns = samples.unit[panel.rows], samples.unit[panel.columns]
        tile = buffer.view(len(rows), len(columns))
        for some, part in zip(columns.split(_WIDTH), tile.split(_WIDTH, dim=1), strict=True):
            torch.mm(rows, some.T, out=part)
        ranked = panel.rows if panel.is_asked and len(ranks.first) else slice(0)
        negatives, positives = np.zeros((2, bins.count + 2), dtype=np.int64)
        self._kernel(
            tile.numpy(),
            panel.own,
            panel.rows.start if samples.is_square else -1,
            (np.float32(bins.floor), bins.low, bins.scale, bins.count),
            negatives,
            positives,
            (
                ranks.first[ranked].numpy(),
                ranks.precision[ranked].numpy(),
                self._exact,
                panel.rows.start,
                panel.columns.start,
                ranks.tolerance,
            ),
        )
        group = int(samples.groups[panel.rows.start])
        with self._lock:
            self._negatives[group] += torch.from_numpy(negatives)
            if panel.is_asked:
                self._positives[panel.number] += torch.from_numpy(positives)
