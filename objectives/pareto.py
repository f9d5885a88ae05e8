"""Pareto fronts of two objectives: non-dominated ranks, hypervolume and knee.

Points are N x 2, one row a trial, one column an objective; directions and the hypervolume's
reference point come from the two `Objective` records.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from objectives.objective import Objective

__all__ = ["front_ranks", "hypervolume", "hypervolume_contributions", "knee"]

# Rows of floats; a tensor will do.
Points = Iterable[Iterable[float]]
# A point's values, both to be minimised.
_Cost = tuple[float, float]


def front_ranks(points: Points, objectives: Sequence[Objective]) -> list[int]:
    """Rank of each point by non-dominated sorting (Deb et al., NSGA-II, 2002).

    A point dominates another if it is no worse in both objectives and better in one; equal points
    do not dominate each other. Rank 0 is the front; rank k is the front once the ranks below k
    are taken away. Takes O(N log N).

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    return _ranks(_costs(points, objectives))


def hypervolume(points: Points, objectives: Sequence[Objective]) -> float:
    """Area that the points dominate, up to the objectives' references; 0 without points.

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    return _area(sorted(_costs(points, objectives)), _reference(objectives))


def hypervolume_contributions(points: Points, objectives: Sequence[Objective]) -> list[float]:
    """Area that each point alone dominates; 0 for dominated points and for duplicates.

    Takes O(N log N).

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    costs = _costs(points, objectives)
    reference = _reference(objectives)
    order = sorted(range(len(costs)), key=costs.__getitem__)
    ascending = [costs[index] for index in order]
    contributions = [0.0] * len(costs)
    steps = _staircase(ascending, reference)
    for place, (x, y) in enumerate(steps):
        above = steps[place - 1][1] if place else reference[1]
        right = steps[place + 1][0] if place + 1 < len(steps) else reference[0]
        mine = bisect_left(ascending, (x, y))
        # Between its neighbours, less what others, all dominated by it, dominate there too.
        end = bisect_left(ascending, (right, -math.inf), mine)
        others = [cost for cost in ascending[mine + 1 : end] if cost[1] < above]
        contributions[order[mine]] = (right - x) * (above - y) - _area(others, (right, above))
    return contributions


def knee(points: Points, objectives: Sequence[Objective]) -> int:
    """Index of the front's knee: the best compromise.

    The front's two extremes span a line once both objectives are scaled to [0, 1] over the front;
    the knee is the front point farthest from that line on its better side (Das, 1999). Where
    no point is beyond the line (two points, or a hollow front), it is the point with the least sum
    of its two distances to the ideal values, each relative to its mean over the front.

    Raises:
        ValueError: There are no points, or they are not N x 2 or not finite.
    """
    costs = _costs(points, objectives)
    if not costs:
        raise ValueError("knee: there are no points")
    front = [index for index, rank in enumerate(_ranks(costs)) if rank == 0]
    first, second = zip(*(costs[index] for index in front), strict=True)
    # The line joins (0, 1) and (1, 0); a point below it has a sum of less than 1.
    gains = [1 - (x + y) for x, y in zip(_scaled(first), _scaled(second), strict=True)]
    if len(front) > 2 and max(gains) > 1e-9:
        return front[gains.index(max(gains))]
    ideals = [objective.sign * objective.ideal for objective in objectives]
    shortfalls = [
        x + y
        for x, y in zip(_relative(first, ideals[0]), _relative(second, ideals[1]), strict=True)
    ]
    return front[shortfalls.index(min(shortfalls))]


def _costs(points: Points, objectives: Sequence[Objective]) -> list[_Cost]:
    """N values to be minimised in each of both objectives."""
    try:
        rows = [tuple(map(float, row)) for row in points]
    except TypeError as error:
        raise ValueError(f"expected N x 2 points of two objectives: {error}") from None
    widths = {len(row) for row in rows} or {2}
    if len(objectives) != 2 or widths != {2}:
        shape = (len(rows), *sorted(widths))
        raise ValueError(f"expected N x 2 points of two objectives, got {shape}")
    if not all(math.isfinite(value) for row in rows for value in row):
        raise ValueError("points must be finite")
    first, second = (objective.sign for objective in objectives)
    return [(first * x, second * y) for x, y in rows]


def _reference(objectives: Sequence[Objective]) -> _Cost:
    first, second = (objective.sign * objective.reference for objective in objectives)
    return first, second


def _ranks(costs: Sequence[_Cost]) -> list[int]:
    ranks: dict[_Cost, int] = {}
    # Of each front so far, the least second value: ascending. In order of the first value, the
    # fronts with a point that dominates the next one are those whose least is no greater than its.
    least: list[float] = []
    for cost in sorted(set(costs)):
        ranks[cost] = rank = bisect_right(least, cost[1])
        least[rank : rank + 1] = [cost[1]]
    return [ranks[cost] for cost in costs]


def _staircase(ascending: Iterable[_Cost], reference: _Cost) -> list[_Cost]:
    """Return the distinct non-dominated points that dominate the reference, x ascending."""
    steps: list[_Cost] = []
    for x, y in ascending:
        if x < reference[0] and y < (steps[-1][1] if steps else reference[1]):
            steps.append((x, y))
    return steps


def _area(ascending: Iterable[_Cost], reference: _Cost) -> float:
    """Area between points to be minimised, in order, and the reference point."""
    area, ceiling = 0.0, reference[1]
    for x, y in _staircase(ascending, reference):
        area += (reference[0] - x) * (ceiling - y)
        ceiling = y
    return area


def _scaled(values: Sequence[float]) -> list[float]:
    """Values with the least at 0 and the greatest at 1; all 0 where they are the same."""
    low, span = min(values), max(values) - min(values)
    return [(value - low) / max(span, 1e-300) for value in values]


def _relative(values: Sequence[float], ideal: float) -> list[float]:
    """Distances of values from the ideal, relative to their mean."""
    distances = [value - ideal for value in values]
    mean = _sum(distances) / len(distances)
    return [distance / max(mean, 1e-300) for distance in distances]


def _sum(values: Sequence[float]) -> float:
    """Sum in four interleaved parts, as torch takes it.

    The last bit decides between points of a symmetrical front, and so which one is its knee.
    """
    whole = len(values) // 4 * 4
    total, *others = (_cascade(values[part:whole:4]) for part in range(4))
    for value in (*values[whole:], *others):
        total += value
    return total


def _cascade(values: Sequence[float]) -> float:
    """Sum by blocks of 16 values, of 16 such blocks, and so on."""
    levels = [0.0] * 4
    for count, value in enumerate(values, start=1):
        levels[0] += value
        for level in range(1, 4):
            if count % 16**level:
                break
            levels[level] += levels[level - 1]
            levels[level - 1] = 0.0
    return levels[0] + levels[1] + levels[2] + levels[3]
