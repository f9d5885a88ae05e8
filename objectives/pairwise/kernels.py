"""Kernels over one tile of similarities for a CPU, compiled by numba.

The first takes the pairs of a tile for its rows' sake, the second for its columns', so that calls
over disjoint rows, or columns, of whole classes never write to the same place and can run side by
side. Both first gather what is near enough to matter: without a branch, which could not be
predicted.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np

from objectives.pairwise.ranks import OUT_OF_RANGE

__all__ = ["bin_distances", "compiled", "for_columns", "for_rows"]

_OUT_OF_RANGE: Final = np.float32(OUT_OF_RANGE)


def compiled(function: Callable[..., Any], *, in_any_order: bool = False) -> Any:
    """Compile for calls side by side, and keep it where that can be.

    Args:
        function: The function.
        in_any_order: Whether it may sum in any order.
    """
    fast = {"reassoc", "contract"} if in_any_order else False
    try:
        return numba.njit(nogil=True, cache=True, fastmath=fast)(function)
    except RuntimeError:  # no folder to keep it in can be written
        return numba.njit(nogil=True, fastmath=fast)(function)


@compiled
def for_rows(
    tile: Any,
    first_row: int,
    first_column: int,
    start: int,
    stop: int,
    starts: Any,
    ends: Any,
    groups: Any,
    binning: Any,
    counts: Any,
    ranks: Any,
) -> None:
    """Count and rank for the rows [start, stop) of a tile; arguments as `CpuBackend` has them."""
    width = tile.shape[1]
    values, bins = np.empty(width, np.float32), np.empty(width, np.int32)
    floor, low, scale, count = binning
    reach = ranks[0]
    for row in range(start, stop):
        query = first_row + row
        wanted = min(floor, reach[query])
        near = 0
        for first, last in _compared(starts[query], ends[query], first_column, width):
            for column in range(first, last):
                values[near] = tile[row, column]
                near += tile[row, column] >= wanted
        bin_distances(values, near, low, scale, count, bins)
        own, within, nearer = counts[groups[query]], reach[query], 0
        for k in range(near):
            own[bins[k]] += 1
            nearer += values[k] >= within
        if nearer:
            for k in range(near):
                if values[k] >= reach[query]:
                    _insert(query, values[k], ranks)


@compiled
def for_columns(
    tile: Any,
    first_row: int,
    first_column: int,
    start: int,
    stop: int,
    starts: Any,
    ends: Any,
    groups: Any,
    binning: Any,
    counts: Any,
    ranks: Any,
) -> None:
    """Count and rank for the columns [start, stop) of a tile; the same arguments."""
    width, shift = stop - start, first_column + start
    values, bins = np.empty(width, np.float32), np.empty(width, np.int32)
    places, wanted = np.empty(width, np.int32), np.empty(width, np.float32)
    floor, low, scale, count = binning
    reach = ranks[0]
    for column in range(width):
        wanted[column] = min(floor, reach[shift + column])
    for row in range(tile.shape[0]):
        part = tile[row, start:stop]
        near = 0
        query = first_row + row
        for first, last in _compared(starts[query], ends[query], shift, width):
            for column in range(first, last):
                places[near] = column
                values[near] = part[column]
                near += part[column] >= wanted[column]
        bin_distances(values, near, low, scale, count, bins)
        for k in range(near):
            other = shift + places[k]
            counts[groups[other], bins[k]] += 1
            if values[k] >= reach[other]:
                _insert(other, values[k], ranks)
                wanted[places[k]] = min(floor, reach[other])


@compiled
def _compared(start: int, end: int, shift: int, width: int) -> Any:
    """Return the ranges of a tile's columns, of which `shift` is the first, outside the class."""
    return (0, min(start - shift, width)), (max(end - shift, 0), width)


@compiled
def bin_distances(values: Any, count: int, low: float, scale: float, last: int, bins: Any) -> None:
    """Find the bins of the distances; what is beyond the last edge goes to bin `last` + 1."""
    for k in range(count):
        distance = math.sqrt(min(max(2.0 - 2.0 * values[k], 0.0), 4.0))
        bins[k] = np.int32(min(math.ceil(max((distance - low) * scale, 0.0)), last + 1.0))


@compiled
def _insert(query: int, similarity: float, ranks: Any) -> None:
    """Put a negative ahead of the positives that it is as near as; see `Ranks`."""
    _, close, pending, positives, offsets, passed, tolerance, deepest = ranks
    low, high = offsets[query], offsets[query + 1] - 1
    while low < high:
        middle = (low + high) // 2
        if positives[middle] - tolerance > similarity:
            low = middle + 1
        else:
            high = middle
    passed[low] += 1
    if similarity <= positives[low] + tolerance and low < offsets[query] + deepest:
        close[query] = min(close[query], low - offsets[query])
    pending[query] += 1
    if pending[query] >= offsets[query + 1] - offsets[query]:
        pending[query] = 0
        _raise_reach(query, ranks)


@compiled
def _raise_reach(query: int, ranks: Any) -> None:
    """Raise the reach of a query: positives of too low a rank to matter need no further count."""
    reach, _, _, positives, offsets, passed, tolerance, deepest = ranks
    first, count = offsets[query], offsets[query + 1] - offsets[query]
    ahead, reach[query] = 0, _OUT_OF_RANGE
    for k in range(count):
        ahead += passed[first + k]
        if k + 1 + ahead > (max(count, deepest) if k == 0 else count):
            break
        reach[query] = positives[first + k] - tolerance
