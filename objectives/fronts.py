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
    return _area(_costs(points, objectives), objectives)


def hypervolume_contributions(points: Points, objectives: Sequence[Objective]) -> list[float]:
    """Area that each point alone dominates; 0 for dominated points and for duplicates.

    Raises:
        ValueError: Points are not N x 2, or not finite.
    """
    costs = _costs(points, objectives)
    whole = _area(costs, objectives)
    keep = ~torch.eye(len(costs), dtype=torch.bool)
    return [max(0.0, whole - _area(costs[row], objectives)) for row in keep]


def knee(points: Points, objectives: Sequence[Objective]) -> int:
    """Index of the front's knee: the best compromise.

    The front's two extremes span a line once both objectives are scaled to [0, 1] over the front;
    the knee is the front point farthest from that line on its better side (Das, 1999). Where
    no point is beyond the line (two points, or a hollow front), it is the point of the front
    that contributes most hypervolume.

    Raises:
        ValueError: There are no points, or they are not N x 2 or not finite.
    """
    costs = _costs(points, objectives)
    if not len(costs):
        raise ValueError("knee: there are no points")
    ranks = front_ranks(points, objectives)
    front = [index for index, rank in enumerate(ranks) if rank == 0]
    low, high = costs[front].min(0).values, costs[front].max(0).values
    scaled = (costs[front] - low) / (high - low).clamp(min=1e-300)
    # The line joins (0, 1) and (1, 0); a point below it has a sum of less than 1.
    gain = 1 - scaled.sum(1)
    if len(front) > 2 and float(gain.max()) > 1e-9:
        return front[int(gain.argmax())]
    # Among distinct points of the front alone: a repeated point contributes nothing by itself.
    distinct = list({tuple(costs[index].tolist()): index for index in reversed(front)}.values())
    values = torch.as_tensor(points, dtype=torch.float64)[distinct]
    alone = hypervolume_contributions(values, objectives)
    return min(zip(alone, distinct, strict=True), key=lambda pair: (-pair[0], pair[1]))[1]


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


def _area(costs: Tensor, objectives: Sequence[Objective]) -> float:
    """Area between points to be minimised and the reference point."""
    reference_x, reference_y = (objective.sign * objective.worst for objective in objectives)
    area, ceiling = 0.0, reference_y
    for x, y in sorted(costs.tolist()):
        if x < reference_x and y < ceiling:
            area += (reference_x - x) * (ceiling - y)
            ceiling = y
    return area
