"""Pairs of trials: one held against its control, or its default, under equal fresh seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objectives import Objective
from sweeps.results.final_values import SPLIT, final_measurements, mean_metrics
from sweeps.spec import ControlRule
from sweeps.store import MeasurementRecord, Purpose, TrialRecord
from trainer import Split

if TYPE_CHECKING:
    from sweeps.estimates import Difference

__all__ = ["Pair", "pairs_of"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Pair of a trial and what it is held against, trained alike in all that is not judged.

    Attributes:
        role: ``control`` or ``default``, of the other one.
        number: Of the other one.
        seeds: That both were trained under, and that chose neither.
        metrics: The trial's, means over these seeds.
        others: The other one's, means over these seeds.
        differences: Of the workload's objectives, the trial's less the other one's.
    """

    role: str
    number: int
    seeds: tuple[int, ...]
    metrics: Mapping[str, float]
    others: Mapping[str, float]
    differences: Mapping[str, "Difference"]


def pairs_of(
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
    *,
    rule: ControlRule | None,
    objectives: Iterable[Objective],
    purpose: Purpose = Purpose.REPORT,
    split: Split = SPLIT,
) -> dict[int, tuple[Pair, ...]]:
    """Return the pairs of each trial that has any, by number.

    Args:
        trials: Of a sweep.
        measurements: Of these trials.
        rule: What trials are held against; None: nothing.
        objectives: What may be compared.
        purpose: Of the runs that count.
        split: Whose classes they were scored on.
    """
    if rule is None:
        return {}
    final = final_measurements(measurements, purpose=purpose, split=split)
    of_seeds = {number: {each.seed: each for each in held} for number, held in final.items()}
    configs = {trial.number: trial.config for trial in trials if trial.number in of_seeds}
    by_key = {rule.key(config): number for number, config in configs.items()}
    found = [
        _found(role, (number, other), (of_seeds[number], of_seeds[other]))
        for number, config in configs.items()
        for role, reference in rule.references(config).items()
        if (other := by_key.get(rule.key(reference))) is not None
    ]
    held = [each for each in found if each.seeds]
    return _with_differences(held, tuple(objectives)) if held else {}


@dataclass(frozen=True, kw_only=True)
class _Held:
    """Pair of trials with what they measured under each seed that both had."""

    role: str
    number: int
    other: int
    seeds: tuple[int, ...]
    first: tuple[MeasurementRecord, ...]
    second: tuple[MeasurementRecord, ...]

    def both(self, name: str) -> bool:
        return all(name in each.metrics for each in (*self.first, *self.second))


def _found(
    role: str,
    numbers: tuple[int, int],
    of_seeds: tuple[Mapping[int, MeasurementRecord], Mapping[int, MeasurementRecord]],
) -> _Held:
    one, other = of_seeds
    seeds = tuple(sorted(one.keys() & other.keys()))
    return _Held(
        role=role,
        number=numbers[0],
        other=numbers[1],
        seeds=seeds,
        first=tuple(one[seed] for seed in seeds),
        second=tuple(other[seed] for seed in seeds),
    )


def _with_differences(
    held: Sequence[_Held], objectives: Sequence[Objective]
) -> dict[int, tuple[Pair, ...]]:
    differences: list[dict[str, Difference]] = [{} for _ in held]
    for objective in objectives:
        places = [place for place, each in enumerate(held) if each.both(objective.name)]
        measured = _differences([held[place] for place in places], objective)
        for place, difference in zip(places, measured, strict=True):
            differences[place][objective.name] = difference
    pairs: dict[int, tuple[Pair, ...]] = {}
    for each, found in zip(held, differences, strict=True):
        pair = Pair(
            role=each.role,
            number=each.other,
            seeds=each.seeds,
            metrics=mean_metrics(each.first),
            others=mean_metrics(each.second),
            differences=found,
        )
        pairs[each.number] = (*pairs.get(each.number, ()), pair)
    return pairs


def _differences(held: Sequence[_Held], objective: Objective) -> Sequence["Difference"]:
    # Imported here: a sweep without pairs is looked at without them.
    import numpy as np

    from sweeps.estimates import paired_differences

    def values(measurements: Sequence[MeasurementRecord]) -> Any:
        return np.array([each.metrics[objective.name] for each in measurements])

    pairs = [(values(each.first), values(each.second)) for each in held]
    return paired_differences(pairs, objective)
