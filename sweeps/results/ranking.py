"""Ranked trials of a sweep: the finished ones by non-dominated rank, and the front among them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from objectives import Objective, front_ranks, hypervolume, hypervolume_contributions, knee
from sweeps.results.final_values import SPLIT, finished_trials
from sweeps.store import BaselineRecord, MeasurementRecord, Store, TrialRecord

__all__ = ["RankedTrial", "RankedTrials", "rank_trials", "ranked_trials"]


@dataclass(frozen=True, kw_only=True)
class RankedTrial:
    """One finished trial among the others.

    Attributes:
        number: The trial's number.
        control: Whether it is a control.
        rank: Rank by non-dominated sorting; 0 is on the front.
        hypervolume_contribution: Area that this trial alone dominates.
        values: All its metrics on the validation split.
        sampled: What the search space chose.
        config: Its whole configuration.
    """

    number: int
    control: bool
    rank: int
    hypervolume_contribution: float
    values: Mapping[str, float]
    sampled: Mapping[str, Any]
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RankedTrials:
    """Finished trials of a sweep, in the order of their worth.

    Attributes:
        sweep: Name of the sweep.
        objectives: The two objectives, first the one on the x-axis.
        trials: All finished trials, by rank, then the best first objective first.
        hypervolume: Area that they dominate, up to the objectives' reference values.
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
    finished = finished_trials(objectives, trials, measurements)
    points = [[values[each.name] for each in objectives] for _, values in finished]
    ranked = [
        RankedTrial(
            number=trial.number,
            control=trial.control,
            rank=rank,
            hypervolume_contribution=contribution,
            values=values,
            sampled=trial.sampled,
            config=trial.config,
        )
        for (trial, values), rank, contribution in zip(
            finished,
            front_ranks(points, objectives),
            hypervolume_contributions(points, objectives),
            strict=True,
        )
    ]
    first = objectives[0]
    return RankedTrials(
        sweep=sweep,
        objectives=objectives,
        trials=tuple(sorted(ranked, key=lambda t: (t.rank, first.sign * t.values[first.name]))),
        hypervolume=hypervolume(points, objectives),
        knee=finished[knee(points, objectives)][0].number if points else None,
        baselines=tuple(each for each in baselines if each.split == SPLIT),
    )


def ranked_trials(store: Store, sweep: str) -> RankedTrials:
    """Rank the trials of a sweep by what the store has now.

    Raises:
        InputError: There is no sweep of that name.
    """
    objectives = store.sweep(sweep).objectives
    measurements, baselines = store.measurements(sweep), store.baselines(sweep)
    return rank_trials(sweep, objectives, store.trials(sweep), measurements, baselines)
