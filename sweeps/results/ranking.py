"""Ranked trials of a sweep: the front, and behind it the others by non-dominated rank."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from objectives import Objective, front_ranks, hypervolume, hypervolume_contributions, knee
from sweeps.results.confidence import confidence_in
from sweeps.results.final_values import SPLIT, final_measurements, finished_trials
from sweeps.store import BaselineRecord, MeasurementRecord, Store, TrialRecord

__all__ = ["RankedTrial", "RankedTrials", "rank_trials", "ranked_trials"]


# A member is rather on the front than not.
_LIKELY: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class RankedTrial:
    """One finished trial among the others.

    Attributes:
        number: The trial's number.
        control: Whether it is a control.
        rank: 0 on the front: rather there than not, or where noise is unknown not dominated; then
            by non-dominated sorting of the others.
        hypervolume_contribution: Area that this trial alone dominates.
        values: All its metrics on the validation split, the means over its runs; of the objectives
            the estimates, where any trial of the sweep has two runs.
        sampled: What the search space chose.
        config: Its whole configuration.
        means: Of the objectives the plain means over its runs.
        intervals: Of the objectives the ends of the 95 % intervals of the estimates; none where
            noise is unknown.
        chance: The chance that it is truly on the front; None where noise is unknown.
        runs: Number of its training runs, each under a seed of its own.
    """

    number: int
    control: bool
    rank: int
    hypervolume_contribution: float
    values: Mapping[str, float]
    sampled: Mapping[str, Any]
    config: Mapping[str, Any]
    means: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    chance: float | None = None
    runs: int = 1


@dataclass(frozen=True, kw_only=True)
class RankedTrials:
    """Finished trials of a sweep, in the order of their worth.

    Attributes:
        sweep: Name of the sweep.
        objectives: The two objectives, first the one on the x-axis.
        trials: All finished trials, by rank, then the best first objective first.
        hypervolume: Area that they dominate, up to the objectives' reference values; of estimates
            the mean over what they may be.
        knee: Number of the trial that is the best compromise; None without a trial.
        baselines: What was scored on the same classes without training, or failed to be.
    """

    sweep: str
    objectives: tuple[Objective, Objective]
    trials: tuple[RankedTrial, ...]
    hypervolume: float
    knee: int | None
    baselines: tuple[BaselineRecord, ...] = ()

    @property
    def front(self) -> tuple[RankedTrial, ...]:
        """The non-dominated trials."""
        return tuple(trial for trial in self.trials if trial.rank == 0)

    @property
    def knee_trial(self) -> RankedTrial | None:
        """The knee; None without a trial."""
        return next((trial for trial in self.trials if trial.number == self.knee), None)

    @property
    def told_from_noise(self) -> bool:
        """Whether any trial has two runs: without, a front is a ranking of luck as well."""
        return any(trial.runs > 1 for trial in self.trials)

    @property
    def controls(self) -> tuple[RankedTrial, ...]:
        """The finished controls, whatever their rank."""
        return tuple(trial for trial in self.trials if trial.control)


def rank_trials(
    sweep: str,
    objectives: tuple[Objective, Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
    baselines: Iterable[BaselineRecord] = (),
) -> RankedTrials:
    """Rank the COMPLETE trials; those without a value for both objectives are left out."""
    finished = finished_trials(objectives, trials, measurements := tuple(measurements))
    final = final_measurements(measurements)
    held = [final[trial.number] for trial, _ in finished]
    means = [{each.name: values[each.name] for each in objectives} for _, values in finished]
    confidence = confidence_in(held, objectives)
    values = confidence.values if confidence else means
    points = [[value[each.name] for each in objectives] for value in values]
    chances = confidence.chances if confidence else None
    ranked = [
        RankedTrial(
            number=trial.number,
            control=trial.control,
            rank=rank,
            hypervolume_contribution=contribution,
            values={**measured, **values[place]},
            sampled=trial.sampled,
            config=trial.config,
            means=means[place],
            intervals=confidence.intervals[place] if confidence else {},
            chance=chances[place] if chances else None,
            runs=len(held[place]),
        )
        for place, ((trial, measured), rank, contribution) in enumerate(
            zip(
                finished,
                _ranks(points, objectives, chances),
                hypervolume_contributions(points, objectives),
                strict=True,
            )
        )
    ]
    first = objectives[0]
    return RankedTrials(
        sweep=sweep,
        objectives=objectives,
        trials=tuple(sorted(ranked, key=lambda t: (t.rank, first.sign * t.values[first.name]))),
        hypervolume=confidence.hypervolume if confidence else hypervolume(points, objectives),
        knee=_knee([trial for trial in ranked if trial.rank == 0], objectives),
        baselines=tuple(each for each in baselines if each.split == SPLIT),
    )


def _knee(front: Sequence[RankedTrial], objectives: tuple[Objective, Objective]) -> int | None:
    if not front:
        return None
    points = [[trial.values[each.name] for each in objectives] for trial in front]
    return front[knee(points, objectives)].number


def _ranks(
    points: Sequence[Sequence[float]],
    objectives: tuple[Objective, Objective],
    chances: Sequence[float] | None,
) -> list[int]:
    """Return the rank of each point: 0 for the likely members, then by sorting the others."""
    if chances is None:
        return front_ranks(points, objectives)
    # Where many are alike, none need be likely; the likeliest then stands for them.
    bar = min(_LIKELY, max(chances))
    others = [place for place, chance in enumerate(chances) if chance < bar]
    ranks = [0] * len(points)
    behind = front_ranks([points[place] for place in others], objectives)
    for place, rank in zip(others, behind, strict=True):
        ranks[place] = rank + 1
    return ranks


def ranked_trials(store: Store, sweep: str) -> RankedTrials:
    """Rank the trials of a sweep by what the store has now.

    Raises:
        InputError: There is no sweep of that name.
    """
    objectives = store.sweep(sweep).objectives
    measurements, baselines = store.measurements(sweep), store.baselines(sweep)
    return rank_trials(sweep, objectives, store.trials(sweep), measurements, baselines)
