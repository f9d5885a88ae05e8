from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from optuna.trial import TrialState

from sweeps.search import ReplicatedStudy, Suggestion
from sweeps.spec import Seeds
from tests.sweeps.search.studies import CONTROLS, PAIR, small_study

Outcome = Callable[[Suggestion], Mapping[str, float] | None]


def replicated(seeds: Seeds, *, trials: int = 6, replicates: int = 0) -> ReplicatedStudy:
    return ReplicatedStudy(small_study(trials=trials), PAIR, seeds=seeds, replicates=replicates)


def noisy(suggestion: Suggestion) -> Mapping[str, float]:
    """Return values of a trial whose number says how good it is, with noise by number and seed."""
    noise = np.random.default_rng([suggestion.number, suggestion.seed]).normal(0, 0.1, 2)
    step = suggestion.number / 20
    return {"recall_at_1": 0.5 + step / 2 + noise[0] / 10, "opis": 0.01 * np.exp(noise[1] + step)}


def carry_out(
    search: ReplicatedStudy, outcome: Outcome = noisy, *, at_once: int = 2
) -> list[Suggestion]:
    """Run the whole search, so many at a time; return all runs in the order of their start."""
    runs: list[Suggestion] = []
    running: list[Suggestion] = []
    while True:
        while len(running) < at_once and (suggestion := search.ask()) is not None:
            runs.append(suggestion)
            running.append(suggestion)
        if not running:
            assert search.done
            return runs
        assert not search.done
        ended = running.pop(0)
        search.tell(ended, outcome(ended))


def test_one_seed_each_is_the_study_itself() -> None:
    search = replicated(1)
    runs = carry_out(search)
    assert [(run.number, run.seed) for run in runs] == [(n, 0) for n in range(CONTROLS + 6)]
    assert search.total == len(runs)
    assert [trial.state for trial in search.study.trials] == [TrialState.COMPLETE] * 6


def test_a_number_of_seeds_is_that_of_every_configuration() -> None:
    search = replicated(3)
    runs = carry_out(search)
    assert search.total == len(runs) == 3 * (CONTROLS + 6)
    held = Counter((run.number, run.seed) for run in runs)
    assert held == {(n, seed): 1 for n in range(CONTROLS + 6) for seed in range(3)}
    # The sampler is told once of each configuration, and after its last run.
    assert [trial.state for trial in search.study.trials] == [TrialState.COMPLETE] * 6


def test_every_run_of_a_configuration_is_of_that_configuration() -> None:
    search = replicated(2)
    configs: dict[int, Mapping[str, object]] = {}
    for run in carry_out(search):
        assert configs.setdefault(run.number, run.config) == run.config
        assert run.config["seed"] == 0


def test_automatic_seeds_measure_the_noise_on_the_controls_and_then_the_front() -> None:
    search = replicated("auto", trials=10, replicates=14)
    runs = carry_out(search)
    assert len(runs) == search.total == CONTROLS + 10 + 14
    counts = Counter(run.number for run in runs)
    assert all(counts[control] >= 2 for control in range(CONTROLS))
    assert set(counts) == set(range(CONTROLS + 10))
    for number in counts:
        assert sorted(r.seed for r in runs if r.number == number) == list(range(counts[number]))
    # What comes after the breadth goes to those that may be on the front: the ends of the scale.
    last = [run.number for run in runs[CONTROLS + 10 + CONTROLS :]]
    assert len(last) == 14 - CONTROLS
    assert len(set(last)) > 1


def test_runs_go_where_the_front_is_open() -> None:
    def apart(suggestion: Suggestion) -> Mapping[str, float]:
        """Two configurations are good and alike; all others are far behind."""
        noise = np.random.default_rng([suggestion.number, suggestion.seed]).normal(0, 0.02, 2)
        good = suggestion.number in (4, 7)
        return {
            "recall_at_1": (0.9 if good else 0.5) + noise[0] / 10,
            "opis": (0.001 if good else 0.02) * float(np.exp(noise[1])),
        }

    search = replicated("auto", trials=10, replicates=12)
    runs = carry_out(search, apart)
    last = Counter(run.number for run in runs[CONTROLS + 10 + CONTROLS :])
    assert last[4] + last[7] >= 0.9 * last.total() > 0


def test_a_settled_front_needs_no_further_runs() -> None:
    def certain(suggestion: Suggestion) -> Mapping[str, float]:
        step = suggestion.number / 20
        return {"recall_at_1": 0.5 + step, "opis": 0.01 * (1 - step)}

    search = replicated("auto", replicates=50)
    runs = carry_out(search, certain)
    assert len(runs) < CONTROLS + 6 + 50


def test_what_fails_first_is_not_tried_again() -> None:
    def failing(suggestion: Suggestion) -> Mapping[str, float] | None:
        return None if suggestion.number % 2 else noisy(suggestion)

    search = replicated("auto", trials=8, replicates=10)
    counts = Counter(run.number for run in carry_out(search, failing))
    assert all(counts[number] == 1 for number in counts if number % 2)
    assert sum(trial.state is TrialState.FAIL for trial in search.study.trials) == 4


def test_where_all_fails_it_ends() -> None:
    search = replicated("auto", replicates=10)
    assert len(carry_out(search, lambda _: None)) == CONTROLS + 6
    search = replicated(3)
    assert len(carry_out(search, lambda _: None)) == CONTROLS + 6


def test_a_replicate_that_fails_leaves_the_values_of_the_others() -> None:
    def once(suggestion: Suggestion) -> Mapping[str, float] | None:
        return noisy(suggestion) if suggestion.seed == 0 else None

    search = replicated(2)
    assert len(carry_out(search, once)) == 2 * (CONTROLS + 6)
    assert [trial.state for trial in search.study.trials] == [TrialState.COMPLETE] * 6


def test_the_sampler_is_told_shrunken_values() -> None:
    search = replicated("auto", trials=20, replicates=CONTROLS)
    measured: dict[int, float] = {}

    def alike(suggestion: Suggestion) -> Mapping[str, float]:
        noise = np.random.default_rng([suggestion.number, suggestion.seed]).normal(0, 0.1, 2)
        measured[suggestion.number] = 0.01 * float(np.exp(noise[1]))
        return {"recall_at_1": 0.5 + noise[0] / 10, "opis": measured[suggestion.number]}

    carry_out(search, alike, at_once=1)
    told = [trial.values[1] for trial in search.study.trials]
    assert np.std(told[5:]) < 0.9 * np.std([measured[n + CONTROLS] for n in range(5, 20)])


@pytest.mark.parametrize("at_once", [1, 2, 5, 40])
def test_as_many_at_once_as_there_are_cores(at_once: int) -> None:
    search = replicated("auto", replicates=8)
    assert len(carry_out(search, at_once=at_once)) == search.total
