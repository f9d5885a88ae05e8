"""Hypervolume of a sweep over the number of its finished trials."""

from collections.abc import Iterable

from objectives import Objective, front_ranks, hypervolume
from sweeps.results.final_values import finished_trials
from sweeps.store import MeasurementRecord, TrialRecord

__all__ = ["hypervolume_curve"]


def hypervolume_curve(
    objectives: tuple[Objective, Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
) -> list[float]:
    """Hypervolume after each finished trial, in the order of `finished_trials`."""
    curve: list[float] = []
    front: list[list[float]] = []
    for _, values in finished_trials(objectives, trials, measurements):
        # Dominated points add no area, so only the front is carried on.
        front.append([values[objective.name] for objective in objectives])
        ranks = front_ranks(front, objectives)
        front = [point for point, rank in zip(front, ranks, strict=True) if rank == 0]
        curve.append(hypervolume(front, objectives))
    return curve
