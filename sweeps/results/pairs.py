"""Pairs of trials: one held against its control, or its default, under equal fresh seeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from objectives import Objective
from sweeps.results.final_values import SPLIT, final_measurements, mean_metrics
from sweeps.spec import ControlRule
from sweeps.store import MeasurementRecord, Purpose, TrialRecord
from trainer import Split

if TYPE_CHECKING:
    from sweeps.estimates import Difference

__all__ = ["Pair", "pairs_of"]

_Runs = Mapping[int, Mapping[int, MeasurementRecord]]


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

    def better(self, objectives: Iterable[Objective]) -> list[Objective]:
        """Return those of the objectives in which the trial is better, noise allowed for."""
        found = self.differences
        return [each for each in objectives if each.name in found and found[each.name].better(each)]

    def worse(self, objectives: Iterable[Objective]) -> list[Objective]:
        """Return those of the objectives in which the trial is worse, noise allowed for."""
        found = self.differences
        return [each for each in objectives if each.name in found and found[each.name].worse(each)]


@dataclass(frozen=True, kw_only=True)
class _Held:
    """Numbers of a trial and of what it is held against, and their common seeds."""

    role: str
    number: int
    other: int
    seeds: tuple[int, ...]


def pairs_of(
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
    *,
    rule: ControlRule | None,
    objectives: Iterable[Objective],
    purpose: Purpose = Purpose.REPORT,
    split: Split = SPLIT,
) -> dict[int, tuple[Pair, ...]]:
    """Return the pairs of each trial that has any, by number; runs that did not end do not count.

    Args:
        trials: Of a sweep.
        measurements: Of these trials. Of those that are compared, all that were scored on the
            split tell of the noise.
        rule: What trials are held against; None: nothing.
        objectives: What may be compared.
        purpose: Of the runs that count.
        split: Whose classes they were scored on.
    """
    if rule is None:
        return {}
    ends = {trial.number: trial.last_epoch for trial in trials}
    ended = [m for m in measurements if ends.get(m.number) in (None, m.epoch)]
    final = final_measurements(ended, purpose=purpose, split=split)
    runs = {number: {each.seed: each for each in held} for number, held in final.items()}
    configs = {trial.number: trial.config for trial in trials if trial.number in runs}
    held = list(_held(configs, runs, rule))
    every = final_measurements(ended, purpose=None, split=split) if held else {}
    differences: list[dict[str, Difference]] = [{} for _ in held]
    for objective in objectives if held else ():
        places = [place for place, pair in enumerate(held) if _have(pair, runs, objective)]
        found = _differences([held[place] for place in places], runs, every, objective)
        for place, difference in zip(places, found, strict=True):
            differences[place][objective.name] = difference
    pairs: dict[int, tuple[Pair, ...]] = {}
    for each, of_objectives in zip(held, differences, strict=True):
        pair = Pair(
            role=each.role,
            number=each.other,
            seeds=each.seeds,
            metrics=mean_metrics([runs[each.number][seed] for seed in each.seeds]),
            others=mean_metrics([runs[each.other][seed] for seed in each.seeds]),
            differences=of_objectives,
        )
        pairs[each.number] = (*pairs.get(each.number, ()), pair)
    return pairs


def _held(
    configs: Mapping[int, Mapping[str, object]], runs: _Runs, rule: ControlRule
) -> Iterator[_Held]:
    by_key: dict[str, list[int]] = {}
    for number, config in configs.items():
        by_key.setdefault(rule.key(config), []).append(number)
    for number, config in configs.items():
        for role, reference in rule.references(config).items():
            others = by_key.get(rule.key(reference), [])
            common = {other: runs[number].keys() & runs[other].keys() for other in others}
            other = max(common, key=lambda n: len(common[n]), default=None)
            if other is not None and common[other]:
                seeds = tuple(sorted(common[other]))
                yield _Held(role=role, number=number, other=other, seeds=seeds)


def _have(pair: _Held, runs: _Runs, objective: Objective) -> bool:
    """Whether both trials have a value of the objective under every seed of theirs."""
    both = (*runs[pair.number].values(), *runs[pair.other].values())
    return all(objective.name in each.metrics for each in both)


def _differences(
    held: Sequence[_Held],
    runs: _Runs,
    every: Mapping[int, Sequence[MeasurementRecord]],
    objective: Objective,
) -> Sequence["Difference"]:
    # Imported here: a sweep without pairs is looked at without them.
    from sweeps.estimates import paired_differences

    pairs = [(each.number, each.other) for each in held]
    values = {
        number: {seed: each.metrics[objective.name] for seed, each in runs[number].items()}
        for pair in pairs
        for number in pair
    }
    noisy = {
        number: {m.seed: m.metrics[objective.name] for m in of if objective.name in m.metrics}
        for number, of in every.items()
        if number in values
    }
    return paired_differences(values, pairs, objective, runs=noisy)
