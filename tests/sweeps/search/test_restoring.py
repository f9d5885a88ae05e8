"""A study that is restored goes on as the one before would have."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import pytest

from sweeps.search import PastRun, ReplicatedStudy, Suggestion
from sweeps.search.reports import Reports
from sweeps.spec import Seeds
from sweeps.spec.metric_learning import workload

from .studies import CONTROLS, PAIR, small_study

TRIALS = 7


class Sweep:
    """A sweep as a store would have it, two runs at a time, and the study that it asks."""

    def __init__(self, sampler: str, seeds: Seeds, *, trials: int = TRIALS) -> None:
        self.sampler, self.seeds = sampler, seeds
        self.known: dict[int, Suggestion] = {}
        self.runs: dict[tuple[int, int], PastRun] = {}
        self.running: list[Suggestion] = []
        self.study = self.fresh(trials)

    def fresh(self, trials: int = TRIALS) -> ReplicatedStudy:
        return ReplicatedStudy(
            small_study(trials=trials, sampler=self.sampler, seed=5),
            PAIR,
            seeds=self.seeds,
            replicates=6,
            reports=Reports(workload.rules.control, self.chosen, runs=5),
        )

    def chosen(self) -> list[int]:
        runs = [each.suggestion for each in self.runs.values()]
        searched = {run.number for run in runs if run.purpose == "SEARCH" and not run.control}
        return sorted(searched)[-2:]

    def event(self) -> bool:
        """Begin a run, or end one; return False where the sweep is over."""
        run = self.study.ask() if len(self.running) < 2 else None
        if run is not None:
            self.known.setdefault(run.number, replace(run, seed=run.config["seed"]))
            self.runs[run.number, run.seed] = PastRun(suggestion=run, ended=False)
            self.running.append(run)
            return True
        if not self.running:
            return False
        ended = self.running.pop(0)
        metrics = outcome(ended)
        self.runs[ended.number, ended.seed] = PastRun(suggestion=ended, ended=True, metrics=metrics)
        self.study.tell(ended, metrics)
        return True

    def restart(self, trials: int = TRIALS) -> None:
        """Restore a fresh study from what is plain data, and ask it for what was running."""
        self.study = self.fresh(trials)
        self.study.restore({n: stored(each) for n, each in self.known.items()}, self.runs.values())
        self.running = [self.again(each) for each in self.running]

    def again(self, running: Suggestion) -> Suggestion:
        run = self.study.ask()
        assert run is not None
        assert (run.number, run.seed) == (running.number, running.seed)
        return run


def stored(suggestion: Suggestion) -> Suggestion:
    return Suggestion(**json.loads(json.dumps(asdict(suggestion))))


def outcome(run: Suggestion) -> Mapping[str, float] | None:
    noise = np.random.default_rng([run.number, run.seed]).normal(0, 0.1, 2)
    if noise[0] > 0.15:
        return None
    step = run.number / 20
    opis = float(np.exp(noise[1] + step)) / 100
    return {"recall_at_1": 0.5 + step / 2 + float(noise[0]) / 10, "opis": opis}


def carried_out(sampler: str, seeds: Seeds, *, restarts: range = range(0)) -> list[PastRun]:
    sweep = Sweep(sampler, seeds)
    events = 0
    while sweep.event():
        events += 1
        if events in restarts:
            sweep.restart()
    assert sweep.study.done
    return [*sweep.runs.values()]


@pytest.mark.parametrize("seeds", ["auto", 1, 3])
@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_the_same_runs_follow_whenever_it_was_interrupted(sampler: str, seeds: Seeds) -> None:
    whole = carried_out(sampler, seeds)
    assert len(whole) >= TRIALS + CONTROLS
    assert carried_out(sampler, seeds, restarts=range(1000)) == whole
    for moment in range(1, 2 * len(whole), 5):
        assert carried_out(sampler, seeds, restarts=range(moment, moment + 1)) == whole


def test_what_failed_is_not_handed_out_again() -> None:
    whole = carried_out("tpe", "auto")
    assert any(each.metrics is None for each in whole)


def test_what_a_sampler_drew_is_told_to_the_next() -> None:
    sweep = Sweep("tpe", 1)
    while sweep.event():
        pass
    before = [(trial.params, trial.values, trial.state) for trial in sweep.study.study.trials]
    assert len(before) == TRIALS
    assert all("margin_positive_share" in params for params, *_ in before)
    sweep.restart()
    after = [(trial.params, trial.values, trial.state) for trial in sweep.study.study.trials]
    assert after == before


def test_more_trials_follow_those_that_there_were() -> None:
    sweep = Sweep("tpe", "auto")
    while sweep.event():
        pass
    before = dict(sweep.runs)
    sweep.restart(trials=TRIALS + 4)
    while sweep.event():
        pass
    assert sweep.study.done
    assert before.items() <= sweep.runs.items()
    new = [key for key in sweep.runs if key not in before]
    searched = {n for n, s in new if sweep.runs[n, s].suggestion.purpose == "SEARCH"}
    assert len(searched - {n for n, _ in before}) == 4
    numbers = [*sweep.known]
    assert len(numbers) == len({*numbers}) == max(numbers) + 1


def test_openings_that_the_budget_cut_off_follow_when_there_are_more() -> None:
    sweep = Sweep("random", 1, trials=1)
    while sweep.event():
        pass
    sweep.restart(trials=TRIALS)
    while sweep.event():
        pass
    defaults = [
        each.config["loss"]
        for each in sweep.known.values()
        if workload.rules.control is not None
        and workload.rules.control.is_default(each.config)
        and each.drawn is not None
    ]
    assert sorted(defaults) == ["arcface", "smooth_ap"]


def test_a_seed_that_never_started_is_not_left_out() -> None:
    """Of runs that start side by side the later may be in the store, and the earlier not."""
    sweep = Sweep("random", 3)
    first = sweep.study.ask()
    assert first is not None
    sweep.study.tell(first, {"recall_at_1": 0.5, "opis": 0.01})
    second, third = (sweep.study.ask() for _ in range(2))
    assert second is not None
    assert third is not None
    assert [run.key for run in (first, second, third)] == [(0, 0), (0, 1), (0, 2)]
    metrics = {"recall_at_1": 0.5, "opis": 0.01}
    past = [
        PastRun(suggestion=first, ended=True, metrics=metrics),
        PastRun(suggestion=third, ended=False),
    ]
    restored = sweep.fresh()
    restored.restore({0: first}, past)
    assert [run and run.key for run in (restored.ask(), restored.ask())] == [(0, 2), (0, 1)]
