"""Fronts of confirmed trials on test classes: the optimistic one and the pessimistic one."""

from collections.abc import Mapping
from dataclasses import dataclass

from objectives import front_ranks, hypervolume
from sweeps.results.ranking import RankedTrials

__all__ = ["ConfirmedFronts", "fronts_of_confirmed"]


@dataclass(frozen=True, kw_only=True)
class ConfirmedFronts:
    """Two fronts of the same trials, which validation classes chose and test classes scored.

    On the test classes some members of a front are dominated by others. Who takes one without
    knowing that gets something between the two fronts (Feurer et al., Mind the Gap, 2022, arXiv
    2212.04183); the closer they are, the less is lost. They are fronts of means over few seeds, and
    allow for no noise: what a trial gains beyond it is in its pairs.

    Attributes:
        values: By number the objectives on the test classes, means over the seeds.
        seeds: By number, how many seeds.
        optimistic: Numbers of those that no other dominates.
        pessimistic: Numbers of those that dominate no other.
        hypervolumes: Areas that the pessimistic and the optimistic front dominate.
    """

    values: Mapping[int, Mapping[str, float]]
    seeds: Mapping[int, int]
    optimistic: tuple[int, ...]
    pessimistic: tuple[int, ...]
    hypervolumes: tuple[float, float]


def fronts_of_confirmed(ranked: RankedTrials) -> ConfirmedFronts | None:
    """Return the fronts of the members that were confirmed; None of fewer than two."""
    held = {
        trial.number: max(ranked.confirmed[trial.number], key=lambda pair: len(pair.seeds))
        for trial in ranked.front
        if trial.number in ranked.confirmed
    }
    if len(held) < 2:
        return None
    names = [objective.name for objective in ranked.objectives]
    points = {number: [pair.metrics[name] for name in names] for number, pair in held.items()}

    def front(sign: int) -> tuple[int, ...]:
        turned = [[sign * value for value in point] for point in points.values()]
        ranks = front_ranks(turned, ranked.objectives)
        return tuple(number for number, rank in zip(points, ranks, strict=True) if rank == 0)

    optimistic, pessimistic = front(1), front(-1)
    low, high = (
        hypervolume([points[number] for number in numbers], ranked.objectives)
        for numbers in (pessimistic, optimistic)
    )
    return ConfirmedFronts(
        values={n: dict(zip(names, point, strict=True)) for n, point in points.items()},
        seeds={number: len(pair.seeds) for number, pair in held.items()},
        optimistic=optimistic,
        pessimistic=pessimistic,
        hypervolumes=(low, high),
    )
