"""Tiles of the similarity matrix processed on a CPU."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.ranks import Ranks
from objectives.pairwise.sorted_samples import SortedSamples
from objectives.retrieval import DEEPEST

__all__ = ["CpuBackend", "one_torch_thread", "side_by_side"]


class CpuBackend:
    """Compiled kernels over parts of a tile, on as many threads as torch has.

    The product is taken in these threads too, by parts: torch's own would go on spinning for
    milliseconds after it, in the way of the kernels.
    """

    side: Final = 1024  # so that a tile fits the last-level cache

    def __init__(
        self, samples: SortedSamples, bins: DistanceBins, ranks: Ranks, counts: Tensor
    ) -> None:
        # Compiled, or read from numba's cache: a second that other uses of this package need not.
        from objectives.pairwise.kernels import for_columns, for_rows

        self._for_rows, self._for_columns = for_rows, for_columns
        self._unit, self._sides = samples.unit, samples.sides
        self._threads = torch.get_num_threads()
        self._buffer = torch.empty(min(len(samples.unit), self.side) ** 2, dtype=samples.unit.dtype)
        self._stack = ExitStack()
        # Where a thread's part may begin: no class, and not the singletons, in two threads.
        self._bounds = np.flatnonzero(np.diff(samples.groups.numpy(), prepend=-1))
        self._arguments: tuple[Any, ...] = (
            samples.starts.numpy(),
            samples.ends.numpy(),
            samples.groups.numpy(),
            (np.float32(bins.floor), bins.low, bins.scale, bins.count),
            counts.numpy(),
            (
                ranks.reach.numpy(),
                ranks.close.numpy(),
                ranks.pending.numpy(),
                ranks.similarity.numpy(),
                ranks.offsets.numpy(),
                ranks.passed.numpy(),
                ranks.tolerance,
                DEEPEST,
            ),
        )

    def __enter__(self) -> None:
        self._pool = self._stack.enter_context(side_by_side(self._threads))

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def process(self, rows: slice, columns: slice) -> None:
        """Count and rank the pairs of a tile, for the sides that are not of large classes."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        tile = self._buffer[: height * width].view(height, width)
        values, here = tile.numpy(), (rows.start, columns.start)

        @torch.inference_mode()  # which a thread does not have from the one that starts it
        def multiply(start: int, stop: int) -> None:
            part = self._unit[rows.start + start : rows.start + stop]
            torch.mm(part, self._unit[columns].T, out=tile[start:stop])

        self._share(multiply, self._evenly(height))
        kernels = ((self._for_rows, rows), (self._for_columns, columns))
        for (kernel, part), matters in zip(kernels, self._sides(rows, columns), strict=True):
            if matters:
                self._share(partial(self._run, kernel, values, *here), self._by_class(part))

    def _run(self, kernel: Any, values: Any, top: int, left: int, start: int, stop: int) -> None:
        kernel(values, top, left, start, stop, *self._arguments)

    def _share(self, work: Callable[[int, int], None], parts: list[tuple[int, int]]) -> None:
        """Do the parts of a work side by side."""
        if len(parts) == 1:
            work(*parts[0])
            return
        for done in [self._pool.submit(work, *part) for part in parts]:
            done.result()

    def _evenly(self, size: int) -> list[tuple[int, int]]:
        cuts = {size * thread // self._threads for thread in range(self._threads + 1)}
        return list(pairwise(sorted(cuts)))

    def _by_class(self, part: slice) -> list[tuple[int, int]]:
        wanted = [part.start + stop for _, stop in self._evenly(part.stop - part.start)[:-1]]
        cuts: Any = self._bounds[np.searchsorted(self._bounds[1:], wanted)] if wanted else []
        inside = {int(cut) for cut in cuts if part.start < cut < part.stop}
        edges = sorted({part.start, part.stop} | inside)
        return [(start - part.start, stop - part.start) for start, stop in pairwise(edges)]


@contextmanager
def side_by_side(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Lend so many threads, in each of which torch takes no other."""
    with one_torch_thread():
        # OpenMP counts anew in each thread, until torch is asked there.
        pool = ThreadPoolExecutor(threads, initializer=torch.get_num_threads)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let no other thread of torch's spin."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
