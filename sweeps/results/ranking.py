"""Ranked trials of a sweep: the front, and behind it the others by non-dominated rank."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from objectives import (
    InputError,
    Objective,
    front_ranks,
    hypervolume,
    hypervolume_contributions,
    knee,
)
from sweeps.results.confidence import Band, Confidence, confidence_in
from sweeps.results.final_values import (
    SPLIT,
    final_measurements,
    finished_trials,
    mean_metrics,
)
from sweeps.results.limits import default_limits, keeps
from sweeps.results.pairs import Pair, pairs_of
from sweeps.spec import Workload, workload_of
from sweeps.store import BaselineRecord, MeasurementRecord, Purpose, Store, TrialRecord

__all__ = ["LIKELY", "RankedTrial", "RankedTrials", "knee_of", "rank_trials", "ranked_trials"]


# A member is rather on the front than not.
LIKELY: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class RankedTrial:
    """One finished trial among the others.

    Attributes:
        number: The trial's number.
        control: Whether it is a control.
        default: Whether what is judged has its published values in it.
        rank: 0 on the front: rather there than not, or where noise is unknown not dominated; then
            by non-dominated sorting of the others.
        hypervolume_contribution: Area that this trial alone dominates.
        values: All its metrics on the validation split, the means over its runs; of the objectives
            the estimates, where any trial of the sweep has two runs.
        searched: Of the objectives the same from the search's runs alone, which it is ranked and
            picked by: those that report on what was chosen choose nothing.
        sampled: What the search space chose.
        config: Its whole configuration.
        means: Of the objectives the plain means over its runs.
        intervals: Of the objectives the ends of the 95 % intervals of the estimates; none where
            noise is unknown.
        chance: The chance that it is truly on the front; None where noise is unknown.
        seeds: Of its training runs: those that chose it, then those that report on it.
    """

    number: int
    control: bool
    rank: int
    hypervolume_contribution: float
    values: Mapping[str, float]
    searched: Mapping[str, float]
    sampled: Mapping[str, Any]
    config: Mapping[str, Any]
    means: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    chance: float | None = None
    seeds: tuple[int, ...] = ()
    default: bool = False

    @property
    def runs(self) -> int:
        """Number of its training runs."""
        return len(self.seeds)


@dataclass(frozen=True, kw_only=True)
class RankedTrials:
    """Finished trials of a sweep, in the order of their worth.

    Attributes:
        sweep: Name of the sweep.
        objectives: The two objectives, first the one on the x-axis.
        trials: All finished trials, by rank, then the best first objective first.
        hypervolume: Area that they dominate, up to the objectives' reference values; of estimates
            the mean over what they may be.
        knee: Number of the best compromise of the front among what keeps the limits; None where
            nothing does.
        baselines: What was scored on the same classes without training, or failed to be.
        pairs: By number, what trials of the front are held against under fresh seeds.
        confirmed: The same of trials that were confirmed, on the test classes.
        limits: By objective, how bad a pick may be (`sweeps.results.limits`).
        band: What the trials truly attain; None where noise is unknown.
    """

    sweep: str
    objectives: tuple[Objective, Objective]
    trials: tuple[RankedTrial, ...]
    hypervolume: float
    knee: int | None
    baselines: tuple[BaselineRecord, ...] = ()
    pairs: Mapping[int, tuple[Pair, ...]] = field(default_factory=dict)
    confirmed: Mapping[int, tuple[Pair, ...]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    band: Band | None = None

    @property
    def front(self) -> tuple[RankedTrial, ...]:
        """The non-dominated trials."""
        return tuple(trial for trial in self.trials if trial.rank == 0)

    @property
    def knee_trial(self) -> RankedTrial | None:
        """The knee; None where there is none."""
        return next((trial for trial in self.trials if trial.number == self.knee), None)

    @property
    def told_from_noise(self) -> bool:
        """Whether the search tried any trial twice: else a front is a ranking of luck as well."""
        return any(trial.chance is not None for trial in self.trials)

    @property
    def expected_false(self) -> float | None:
        """How many members of the front are expected to be truly dominated, by their chances.

        None where noise is unknown.
        """
        chances = [trial.chance for trial in self.front if trial.chance is not None]
        return sum(1 - chance for chance in chances) if chances else None

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
    *,
    workload: Workload | None = None,
) -> RankedTrials:
    """Rank the COMPLETE trials; those without a value for both objectives are left out.

    Args:
        sweep: Name of the sweep.
        objectives: The two objectives.
        trials: Its trials.
        measurements: What they measured; of runs that only report, the pairs are made.
        baselines: Its baselines.
        workload: Says what trials are held against; None: nothing.
    """
    trials, measurements = tuple(trials), tuple(measurements)
    rule = workload.rules.control if workload else None
    finished = [trial for trial, _ in finished_trials(objectives, trials, measurements)]
    final = final_measurements(measurements)
    searched = [final[trial.number] for trial in finished]
    reported = _reported(finished, measurements)
    confidence = confidence_in(searched, reported, objectives)
    held = [(*one, *other) for one, other in zip(searched, reported, strict=True)]
    ranked = [
        replace(each, default=rule is not None and rule.is_default(each.config))
        for each in _ranked(finished, held, objectives, confidence)
    ]
    first = objectives[0]
    controls = [(each.searched, each.intervals) for each in ranked if each.control]
    limits = default_limits(objectives, controls)
    pairs_in = partial(
        pairs_of,
        trials,
        measurements,
        rule=rule,
        objectives=workload.objectives.values() if workload else (),
    )
    return RankedTrials(
        sweep=sweep,
        objectives=objectives,
        trials=tuple(sorted(ranked, key=lambda t: (t.rank, first.sign * t.values[first.name]))),
        hypervolume=confidence.hypervolume if confidence else _area(ranked, objectives),
        knee=knee_of([trial for trial in ranked if trial.rank == 0], objectives, limits),
        baselines=tuple(each for each in baselines if each.split == SPLIT),
        pairs=pairs_in(purpose=Purpose.REPORT, split=SPLIT),
        confirmed=pairs_in(purpose=Purpose.CONFIRM, split="test"),
        limits=limits,
        band=confidence.band if confidence else None,
    )


def _reported(
    finished: Sequence[TrialRecord], measurements: Iterable[MeasurementRecord]
) -> list[tuple[MeasurementRecord, ...]]:
    """Return for each finished trial what the runs measured that report on it, if they ended."""
    final = final_measurements(measurements, purpose=Purpose.REPORT)
    return [
        tuple(m for m in final.get(trial.number, ()) if trial.last_epoch in (None, m.epoch))
        for trial in finished
    ]


def _ranked(
    finished: Sequence[TrialRecord],
    held: Sequence[Sequence[MeasurementRecord]],
    objectives: tuple[Objective, Objective],
    confidence: Confidence | None,
) -> list[RankedTrial]:
    """Return finished trials among each other, in their order, from what their runs measured."""
    measured = [mean_metrics(runs) for runs in held]
    means = [{each.name: values[each.name] for each in objectives} for values in measured]
    values = confidence.values if confidence else means
    searched = confidence.searched if confidence else means
    chances = confidence.chances if confidence else None

    def points(of: Sequence[Mapping[str, float]]) -> list[list[float]]:
        return [[value[each.name] for each in objectives] for value in of]

    ranks = _ranks(points(searched), objectives, chances)
    contributions = hypervolume_contributions(points(values), objectives)
    return [
        RankedTrial(
            number=trial.number,
            control=trial.control,
            rank=ranks[place],
            hypervolume_contribution=contributions[place],
            values={**measured[place], **values[place]},
            searched=searched[place],
            sampled=trial.sampled,
            config=trial.config,
            means=means[place],
            intervals=confidence.intervals[place] if confidence else {},
            chance=chances[place] if chances else None,
            seeds=tuple(each.seed for each in held[place]),
        )
        for place, trial in enumerate(finished)
    ]


def _area(ranked: Iterable[RankedTrial], objectives: tuple[Objective, Objective]) -> float:
    points = [[trial.values[each.name] for each in objectives] for trial in ranked]
    return hypervolume(points, objectives)


def knee_of(
    front: Sequence[RankedTrial],
    objectives: tuple[Objective, Objective],
    limits: Mapping[str, float],
) -> int | None:
    """Return the number of the best compromise among the trials that keep the limits, or None."""
    kept = [trial for trial in front if keeps(trial.searched, objectives, limits)]
    if not kept:
        return None
    points = [[trial.searched[each.name] for each in objectives] for trial in kept]
    return kept[knee(points, objectives)].number


def _ranks(
    points: Sequence[Sequence[float]],
    objectives: tuple[Objective, Objective],
    chances: Sequence[float] | None,
) -> list[int]:
    """Return the rank of each point: 0 for the likely members, then by sorting the others."""
    if chances is None:
        return front_ranks(points, objectives)
    # Where many are alike, none need be likely; the likeliest then stands for them.
    bar = min(LIKELY, max(chances))
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
    record = store.sweep(sweep)
    return rank_trials(
        sweep,
        record.objectives,
        store.trials(sweep),
        store.measurements(sweep),
        store.baselines(sweep),
        workload=_workload_of(record.spec),
    )


def _workload_of(spec: Mapping[str, Any]) -> Workload | None:
    """Return the workload, or None where it is not installed here: a front can be seen without."""
    try:
        return workload_of(spec)
    except InputError:
        return None
