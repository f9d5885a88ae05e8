"""Kernels over whole rows of the similarity matrix for a CPU, compiled by numba.

The samples of a row are put in order by keys: their similarities in steps of 2.4e-7, those of the
positives less the tolerance, so that near ties count against them. A negative's key is odd. Only
those are ordered that a rank of interest can depend on.
"""

from functools import partial
from typing import Any, Final

import numpy as np

from objectives.pairwise.exact_ranks import TIE
from objectives.pairwise.kernels import bin_distances, compiled
from objectives.pairwise.ranks import OUT_OF_RANGE
from objectives.retrieval import DEEPEST

__all__ = ["for_whole_rows"]

_OUT_OF_RANGE: Final = np.float32(-OUT_OF_RANGE)
# Similarities lie above -1.25, and keys below 2**25.
_OFFSET: Final = np.float32(1.25)
_STEPS: Final = np.float32(2**22)
# The key of the query itself.
_NOWHERE: Final = np.int32(0)
_STEP: Final = 2.0**-22
# Keys are sorted by these bits of them, then by the others.
_LOW_BITS: Final = 12
_LOW: Final = 2**_LOW_BITS - 1
# Of sets of keys with the same high bits, and more than there are low ones.
_SETS: Final = (int(2.25 * 2**23) >> _LOW_BITS) + 1


@compiled
def for_whole_rows(
    tile: Any,
    own: Any,
    itself: int,
    binning: Any,
    negatives: Any,
    positives: Any,
    ranking: Any,
) -> None:
    """Count and rank for all rows of a tile, which are of one class.

    Args:
        tile: H x W float32 similarities; changed in place.
        own: First column of the class, and the one after its last.
        itself: The first row's own column, and so on; -1 where rows are no columns.
        binning: Least similarity, first edge, bins per distance, number of bins.
        negatives: Numbers in each bin, added to.
        positives: Likewise.
        ranking: H first ranks and MAP@R, written (empty: not asked for); N x D float64 unit rows;
            which of them the first row and column are; the tolerance.
    """
    width = tile.shape[1]
    values, bins = np.empty(width, np.float32), np.empty(width, np.int32)
    scratch = (np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32))
    table = np.empty(_SETS, np.int32)
    # A product takes a fraction of a division's time.
    inverse = 1 / np.maximum(np.arange(width + 1), 1)
    floor, low, scale, count = binning
    first, precision, exact, first_row, first_column, tolerance = ranking
    start, end = own
    of_class = end - start - (itself >= 0)
    for row in range(tile.shape[0]):
        line = tile[row]
        if itself >= 0:
            line[itself + row] = _OUT_OF_RANGE
        near = _gather(line[:start], floor, values)
        near += _gather(line[end:], floor, values[near:])
        bin_distances(values, near, low, scale, count, bins)
        for k in range(near):
            negatives[bins[k]] += 1
        near = _gather(line[start:end], floor, values)
        bin_distances(values, near, low, scale, count, bins)
        for k in range(near):
            positives[bins[k]] += 1
        if len(first):
            query = exact[first_row + row]
            others = exact[first_column : first_column + width]
            first[row], precision[row] = _rank(
                line, start, end, of_class, query, others, tolerance, scratch, table, inverse
            )


@compiled
def _gather(line: Any, floor: float, values: Any) -> int:
    """Copy what is not below the floor: without a branch, which could not be predicted."""
    near = 0
    for column in range(len(line)):
        values[near] = line[column]
        near += line[column] >= floor
    return near


@compiled
def _rank(
    line: Any,
    start: int,
    end: int,
    count: int,
    query: Any,
    others: Any,
    tolerance: float,
    scratch: Any,
    table: Any,
    inverse: Any,
) -> Any:
    """Return the first rank and MAP@R of a query with so many positives."""
    everyone, picked, spare = scratch
    nearest_negative = _make_keys(line, start, end, np.float32(tolerance), everyone)
    above = 0
    for column in range(start, end):
        above += everyone[column] > nearest_negative
    if above == count:
        return 1, 1.0
    # Fewer positives are nearer than any negative, so the least is no farther than that.
    least = _key_at_rank(everyone, max(count, DEEPEST), table)
    size, span = 0, np.uint32(nearest_negative - least)
    for column in range(len(line)):
        key = everyone[column]
        picked[size] = key
        size += int(np.uint32(key - least) <= span)
    _sort(picked[:size], least, nearest_negative, spare, table)
    ranks = _average(picked[:size], above, count, tolerance, inverse)
    first, nearest, farther, farthest, is_close = ranks
    if is_close:
        bound = np.float32((farthest >> 1) * _STEP - _OFFSET - tolerance)
        first, nearest = _decide(line, start, end, count, bound, query, others, tolerance)
    return first, (nearest + farther) / count


@compiled
def _make_keys(line: Any, start: int, end: int, tolerance: Any, keys: Any) -> Any:
    """Write the keys of a row, and return the nearest negative's."""
    for column in range(len(line)):
        keys[column] = 2 * np.int32((line[column] + _OFFSET) * _STEPS) + 1
    top = np.int32(0)
    for column in range(start):
        top = max(top, keys[column])
    for column in range(end, len(line)):
        top = max(top, keys[column])
    for column in range(start, end):
        step = np.int32((line[column] - tolerance + _OFFSET) * _STEPS)
        keys[column] = 2 * max(step, _NOWHERE)
    return top


@compiled
def _key_at_rank(keys: Any, rank: int, table: Any) -> Any:
    """Return a key that so many are not below, however near ties are decided."""
    table[:] = 0
    for k in range(len(keys)):
        table[keys[k] >> _LOW_BITS] += 1
    high, within = _SETS - 1, table[_SETS - 1]
    while within < rank and high > 0:
        high -= 1
        within += table[high]
    least: int = max((high - 1) << _LOW_BITS, int(_NOWHERE) + 1)
    return np.int32(least)


@compiled
def _sort(keys: Any, least: int, greatest: int, spare: Any, table: Any) -> None:
    """Sort keys within bounds, the least first: by their low bits, then, stably, by the others."""
    low, high = table[: _LOW + 1], table[: (greatest >> _LOW_BITS) - (least >> _LOW_BITS) + 1]
    low[:] = 0
    for k in range(len(keys)):
        low[keys[k] & _LOW] += 1
    _accumulate(low)
    for k in range(len(keys)):
        place = keys[k] & _LOW
        spare[low[place]] = keys[k]
        low[place] += 1
    high[:] = 0
    for k in range(len(keys)):
        high[(keys[k] >> _LOW_BITS) - (least >> _LOW_BITS)] += 1
    _accumulate(high)
    for k in range(len(keys)):
        place = (spare[k] >> _LOW_BITS) - (least >> _LOW_BITS)
        keys[high[place]] = spare[k]
        high[place] += 1


@compiled
def _accumulate(table: Any) -> None:
    """Replace counts by the sums of those before them."""
    total = np.int32(0)
    for place in range(len(table)):
        count = table[place]
        table[place] = total
        total += count


@compiled
def _average(keys: Any, above: int, count: int, tolerance: float, inverse: Any) -> Any:
    """Sum precisions at the ranks of positives, from keys in order and those above them.

    Returns:
        The first rank; the sum over the 16 nearest positives, and over the others; the key of the
        farthest of the 16; whether the rank of any of the 16 hangs on a near tie.
    """
    window = 2 * np.int32(2 * tolerance / _STEP + 3)
    first, order, rank = min(above, 1), above, above
    nearest = float(min(above, DEEPEST))
    others = above - nearest
    negative, least, is_close = 2**30, 2**30, False
    place = len(keys) - 1
    while place >= 0 and order < DEEPEST:
        rank += 1
        if keys[place] & 1:
            negative = keys[place]
        else:
            order += 1
            first = rank if first == 0 else first
            nearest += order / rank if rank <= count else 0.0
            least = keys[place]
            is_close |= negative - least <= window
        place -= 1
    for k in range(place, max(place - (count - rank), -1), -1):
        rank += 1
        is_positive = 1 - (keys[k] & 1)
        order += is_positive
        others += is_positive * order * inverse[rank]
    return first if order else rank + 1, nearest, others, least, is_close


@compiled
def _decide(
    line: Any,
    start: int,
    end: int,
    count: int,
    bound: float,
    query: Any,
    others: Any,
    tolerance: float,
) -> Any:
    """Return the first rank and the sum over the 16 nearest positives, near ties by float64."""
    near, size = np.empty(end - start), 0
    for column in range(start, end):
        if line[column] >= bound:
            near[size] = _similarity(query, others[column])
            size += 1
    nearest = -np.sort(-near[:size])[:DEEPEST]
    passed = np.zeros(DEEPEST + 1, np.int64)
    _pass(line, 0, start, nearest, query, others, tolerance, passed)
    _pass(line, end, len(line), nearest, query, others, tolerance, passed)
    total, ahead = 0.0, 0
    for k in range(len(nearest)):
        ahead += passed[k]
        total += (k + 1) / (k + 1 + ahead) if k + 1 + ahead <= count else 0.0
    return 1 + passed[0], total


@compiled
def _pass(
    line: Any,
    start: int,
    end: int,
    nearest: Any,
    query: Any,
    others: Any,
    tolerance: float,
    passed: Any,
) -> None:
    """Count negatives at the first of the nearest positives that they are as near as."""
    for column in range(start, end):
        similarity = float(line[column])
        if similarity >= nearest[-1] - 2 * tolerance:
            k = _first_reached(nearest, similarity + tolerance)
            if k < len(nearest) and similarity <= nearest[k] + tolerance:
                k = _first_reached(nearest, _similarity(query, others[column]) + TIE)
            passed[k] += 1


@compiled
def _first_reached(nearest: Any, similarity: float) -> int:
    k = 0
    while k < len(nearest) and nearest[k] > similarity:
        k += 1
    return k


@partial(compiled, in_any_order=True)
def _similarity(left: Any, right: Any) -> float:
    total = 0.0
    for k in range(len(left)):
        total += left[k] * right[k]
    return total
