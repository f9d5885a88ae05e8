"""What a set of trials is worth: fronts of two objectives.

Points are N x 2, one row a trial, one column an objective; directions and the hypervolume's
reference point come from the two `Objective` records.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from objectives.objective import Objective

__all__ = ["front_ranks", "hypervolume", "hypervolume_contributions", "knee"]

Points = Sequence[Sequence[float]] | Tensor


def front_ranks(points: Points, objectives: Sequence[Objective]) -> list[int]:
    """Rank of each point by non-dominated sorting (Deb et al., NSGA-II, 2002).

    A point dominates another if it is no worse in both objectives and better in one; equal points
    do not dominate each other. Rank 0 is the front; rank k is the front once the ranks below k
    are taken away.

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    costs = _costs(points, objectives)
    no_worse = (costs[:, None, :] <= costs[None, :, :]).all(2)
    dominates = no_worse & ~no_worse.T
    ranks = torch.full((len(costs),), -1)
    rank = 0
    while bool((ranks < 0).any()):
        left = ranks < 0
        front = left & ~(dominates & left[:, None]).any(0)
        ranks[front] = rank
        rank += 1
    return [int(rank) for rank in ranks]


def hypervolume(points: Points, objectives: Sequence[Objective]) -> float:
    """Area that the points dominate, up to the objectives' worst values; 0 without points.

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    return _area(_costs(points, objectives).tolist(), _reference(objectives))


def hypervolume_contributions(points: Points, objectives: Sequence[Objective]) -> list[float]:
    """Area that each point alone dominates; 0 for dominated points and for duplicates.

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    costs: list[list[float]] = _costs(points, objectives).tolist()
    reference = _reference(objectives)
    contributions = [0.0] * len(costs)
    steps = _staircase(costs, reference)
    for place, (x, y) in enumerate(steps):
        above = steps[place - 1][1] if place else reference[1]
        right = steps[place + 1][0] if place + 1 < len(steps) else reference[0]
        mine = costs.index([x, y])
        # Between its neighbours, less what others, all dominated by it, dominate there too.
        others = [c for i, c in enumerate(costs) if i != mine and c[0] < right and c[1] < above]
        contributions[mine] = (right - x) * (above - y) - _area(others, (right, above))
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
    if not len(costs):
        raise ValueError("knee: there are no points")
    front = [index for index, rank in enumerate(front_ranks(points, objectives)) if rank == 0]
    low, high = costs[front].min(0).values, costs[front].max(0).values
    scaled = (costs[front] - low) / (high - low).clamp(min=1e-300)
    # The line joins (0, 1) and (1, 0); a point below it has a sum of less than 1.
    gain = 1 - scaled.sum(1)
    if len(front) > 2 and float(gain.max()) > 1e-9:
        return front[int(gain.argmax())]
    ideal = torch.tensor([objective.sign * objective.ideal for objective in objectives])
    shortfall = costs[front] - ideal
    return front[int((shortfall / shortfall.mean(0).clamp(min=1e-300)).sum(1).argmin())]


def _costs(points: Points, objectives: Sequence[Objective]) -> Tensor:
    """N x 2 float64 values to be minimised."""
    values = torch.as_tensor(points, dtype=torch.float64)
    if not len(points):
        values = values.reshape(0, 2)
    if len(objectives) != 2 or values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(f"expected N x 2 points of two objectives, got {tuple(values.shape)}")
    if not bool(values.isfinite().all()):
        raise ValueError("points must be finite")
    return values * torch.tensor([objective.sign for objective in objectives])


def _reference(objectives: Sequence[Objective]) -> tuple[float, float]:
    first, second = (objective.sign * objective.worst for objective in objectives)
    return first, second


def _staircase(
    costs: Sequence[Sequence[float]], reference: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the distinct non-dominated points that dominate the reference, x ascending."""
    steps: list[tuple[float, float]] = []
    for x, y in sorted(map(tuple, costs)):
        if x < reference[0] and y < (steps[-1][1] if steps else reference[1]):
            steps.append((x, y))
    return steps


def _area(costs: Sequence[Sequence[float]], reference: tuple[float, float]) -> float:
    """Area between points to be minimised and the reference point."""
    area, ceiling = 0.0, reference[1]
    for x, y in _staircase(costs, reference):
        area += (reference[0] - x) * (ceiling - y)
        ceiling = y
    return area
