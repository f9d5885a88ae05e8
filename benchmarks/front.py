"""Fronts beside the truth: how many of their members are false, and how much they claim too much.

``python -m benchmarks.front [--json FILE] [--rounds N]`` carries out simulated sweeps of 24
configurations whose true values are known, with several ways to spend as many training runs
(`benchmarks.allocations` has the published ones), and prints their means: the share of members that
are truly dominated, beside what the sweep itself expects, and by how much more hypervolume is
claimed than the true values have; then the same of ours with more runs. Beside that what it costs
to decide where the next run goes, of 1 000 configurations.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Final

import numpy as np

from benchmarks.allocations import ALLOCATIONS, Allocation
from benchmarks.results import Comparison, arguments, publish
from objectives import Objective, front_ranks, hypervolume
from sweeps import SweepSpec
from sweeps.estimates import Array, posterior_of
from sweeps.results import rank_trials
from sweeps.search import Suggestion, study_of
from sweeps.search.allocation import worth_of_one_more
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun, true_values
from sweeps.store import MeasurementRecord, TrialRecord, TrialState

__all__ = ["main", "measure", "seconds_to_decide"]

_CONFIGURATIONS: Final = 24
_RUNS: Final = 96
_MORE_RUNS: Final = (144, 192)
_AT_ONCE: Final = 2
_NOISES: Final = (0.05, 0.1, 0.2)
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DECIDED: Final = 1000

# By name the sections of a spec that say how runs are spent.
WAYS: Final[Mapping[str, Mapping[str, object]]] = {
    "single runs": {"seeds": 1},
    "equal allocation": {"seeds": _RUNS // _CONFIGURATIONS},
    **{name: {"seeds": 1} for name in ALLOCATIONS},
    "seeds: auto": {},
}


def sweep(way: str, *, noise: float, seed: int, runs: int = _RUNS) -> tuple[float, float, float]:
    """Carry out a sweep; return the shares of false members, of too much area, and what is claimed.

    Args:
        way: Of `WAYS`.
        noise: Standard deviation of a seed's noise.
        seed: Of configurations and noise.
        runs: Of ``seeds: auto``; of the others it is what it is.

    Returns:
        The share of the front's members that are truly dominated by a configuration of the sweep;
        the claimed hypervolume over that of all true values, less 1; the share of false members
        that the sweep itself expects, NaN where it knows nothing of noise.
    """
    sections = dict(WAYS[way])
    budget = {"trials": _CONFIGURATIONS - 1, "replicates": runs - _CONFIGURATIONS}
    spec = SweepSpec.model_validate(
        {
            "name": "simulated",
            "workload": "simulated",
            "space": {"trade": {"low": 0.0, "high": 1.0}, "detour": {"low": 0.0, "high": 0.5}},
            "trial": {"seed_noise": noise, "last_epoch": 1, "seed": 1000 * seed},
            "sampler": "random",
            "seed": seed,
            "budget": budget,
            **sections,
        }
    )
    suggested, measured = _carried_out(spec)
    objectives = spec.objective_records()
    if way in ALLOCATIONS:
        measured += _replicated(suggested, measured, objectives, ALLOCATIONS[way](_RUNS))
    ranked = rank_trials("simulated", objectives, suggested, measured)
    truth = [true_values(SimulatedConfig.model_validate(t.config)) for t in ranked.trials]
    false = [
        rank > 0
        for trial, rank in zip(ranked.trials, front_ranks(truth, objectives), strict=True)
        if trial.rank == 0
    ]
    area = ranked.hypervolume / hypervolume(truth, objectives) - 1
    expected = math.nan if ranked.expected_false is None else ranked.expected_false
    return fmean(false), area, expected / len(false)


def _carried_out(spec: SweepSpec) -> tuple[list[TrialRecord], list[MeasurementRecord]]:
    study, running = study_of(spec), list[Suggestion]()
    trials: dict[int, TrialRecord] = {}
    measured: list[MeasurementRecord] = []
    while not study.done:
        while len(running) < _AT_ONCE and (asked := study.ask()) is not None:
            running.append(asked)
        if not running:
            break
        ended = running.pop(0)
        trials[ended.number] = _trial(ended)
        config = SimulatedConfig.model_validate({**ended.config, "seed": ended.seed})
        metrics = SimulatedRun(config).advance().metrics
        study.tell(ended, metrics)
        measured.append(_measured(ended.number, ended.seed, metrics))
    return list(trials.values()), measured


def _replicated(
    trials: Sequence[TrialRecord],
    measured: Sequence[MeasurementRecord],
    objectives: Sequence[Objective],
    allocation: Allocation,
) -> list[MeasurementRecord]:
    """Return what the runs measure that an allocation adds to one of each trial."""
    runs = [[_costs(each.metrics, objectives)] for each in measured]
    added: list[MeasurementRecord] = []
    while len(measured) + len(added) < _RUNS:
        place = allocation(runs)
        trial, first = trials[place], measured[place]
        seed = first.seed + len(runs[place])
        config = SimulatedConfig.model_validate({**trial.config, "seed": seed})
        metrics = SimulatedRun(config).advance().metrics
        runs[place].append(_costs(metrics, objectives))
        added.append(_measured(trial.number, seed, metrics))
    return added


def _costs(metrics: Mapping[str, float], objectives: Sequence[Objective]) -> Array:
    return np.array([each.sign * metrics[each.name] for each in objectives])


def _measured(number: int, seed: int, metrics: Mapping[str, float]) -> MeasurementRecord:
    return MeasurementRecord(
        number=number,
        epoch=1,
        seed=seed,
        split="validation",
        metrics=metrics,
        recorded_at=_NOW,
    )


def _trial(suggestion: Suggestion) -> TrialRecord:
    return TrialRecord(
        number=suggestion.number,
        config=suggestion.config,
        sampled=suggestion.sampled,
        control=suggestion.control,
        state=TrialState.COMPLETE,
        reason=None,
        started_at=_NOW,
        finished_at=_NOW,
    )


def measure(noise: float, *, rounds: int) -> list[Comparison]:
    """Return what ``seeds: auto`` gets wrong, beside the other ways, in per cent.

    Args:
        noise: Standard deviation of a seed's noise; that of the configurations is about 0.3.
        rounds: Number of sweeps, each with other configurations and other noise.
    """
    found = {way: [sweep(way, noise=noise, seed=seed) for seed in range(rounds)] for way in WAYS}
    rows = []
    for place, (what, bar) in enumerate(
        (("false members", 10.0), ("hypervolume too large by", 2.0))
    ):
        mean = {way: 100 * fmean(each[place] for each in held) for way, held in found.items()}
        ours = mean.pop("seeds: auto")
        rows += [
            Comparison(
                work=f"noise {noise:g}: {what} (bar {bar} %)",
                ours=ours,
                peer=way,
                theirs=theirs,
                unit="%",
            )
            for way, theirs in mean.items()
        ]
        if what == "false members":
            said = 100 * fmean(each[2] for each in found["seeds: auto"])
            rows.append(replace(rows[-1], peer="what the sweep says of itself", theirs=said))
    return rows


def measure_more(noise: float, *, rounds: int) -> list[Comparison]:
    """Return what ``seeds: auto`` gets wrong with more runs, in per cent, as `measure`."""
    rows = []
    for runs in _MORE_RUNS:
        found = [sweep("seeds: auto", noise=noise, seed=s, runs=runs) for s in range(rounds)]
        false, _, said = (100 * fmean(each) for each in zip(*found, strict=True))
        rows.append(
            Comparison(
                work=f"noise {noise:g}: false members of {runs} runs (bar 10 %)",
                ours=false,
                peer="what the sweep says of itself",
                theirs=said,
                unit="%",
            )
        )
    return rows


def seconds_to_decide(*, rounds: int = 21) -> float:
    """Return the median seconds of one decision where the next run goes."""
    generator = np.random.default_rng(0)
    owners = np.concatenate([np.arange(_DECIDED), generator.integers(0, _DECIDED, _DECIDED)])
    truth = generator.standard_normal((_DECIDED, 2))
    values = truth[owners] + 0.5 * generator.standard_normal((len(owners), 2))
    taken = []
    for seed in range(rounds):
        started = time.perf_counter()
        posterior = posterior_of(values, owners)
        assert posterior is not None
        running = np.zeros(_DECIDED, dtype=np.int64)
        worth_of_one_more(posterior.expecting(running), np.array([-1.0, 1.0]), seed=seed)
        taken.append(time.perf_counter() - started)
    return median(taken)


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="sweeps of each kind")
    options = parser.parse_args()
    rows = [row for noise in _NOISES for row in measure(noise, rounds=options.rounds)]
    rows += measure_more(_NOISES[-1], rounds=options.rounds)
    decided = Comparison(
        work=f"the next of {2 * _DECIDED} runs, {_DECIDED} configurations",
        ours=seconds_to_decide(),
        peer="bar",
        theirs=0.02,
        bar=1.0,
    )
    publish("Fronts beside the truth", [*rows, decided], file=options.json)


if __name__ == "__main__":
    main()
