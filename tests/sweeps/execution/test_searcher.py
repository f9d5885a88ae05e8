import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

import sweeps.search.samplers
from objectives import get_objective
from sweeps.execution.searcher import StudySearcher
from sweeps.search import Study, make_sampler
from sweeps.spec import Choices, Range, SearchSpace
from sweeps.spec.metric_learning import workload
from trainer import Measurement, TrialConfig

PAIR = (get_objective("recall_at_1"), get_objective("opis"))
CONTROLS = 2


def searcher(*, trials: int = 5, sampler: str = "tpe", seed: int = 0) -> StudySearcher:
    space = SearchSpace(
        {
            "loss": Choices(choices=("smooth_ap", "arcface")),
            "margin_positive": Range(low=0.3, high=0.9),
            "margin_negative": Range(low=0.2, high=0.8),
            "weight_decay": Range(low=0, high=1),
        },
        {"epochs": 2},
        config=workload.config,
        rules=workload.rules,
    )
    sampled = make_sampler(sampler, seed=seed)
    return StudySearcher(Study(space, PAIR, trials=trials, sampler=sampled))


def result(recall: float, opis: float) -> dict[str, Any]:
    metrics = {"recall_at_1": recall, "opis": opis, "map_at_r": 0.5}
    measurement = Measurement(epoch=2, seed=0, split="validation", metrics=metrics)
    return {"measurement": measurement, "failure": None, "done": True}


def suggest(search: StudySearcher, number: int) -> dict[str, Any]:
    suggestion = search.suggest(f"ray_{number}")
    assert isinstance(suggestion, dict)
    return suggestion


def states(search: StudySearcher) -> list[TrialState]:
    return [trial.state for trial in search._study.study.get_trials(deepcopy=False)]


def test_controls_come_first_and_the_study_does_not_know_them() -> None:
    search = searcher()
    controls = [suggest(search, number) for number in range(CONTROLS)]
    assert [control["control"] for control in controls] == [True, True]
    assert [control["config"]["loss"] for control in controls] == ["smooth_ap", "arcface"]
    assert all(TrialConfig.model_validate(control["config"]).is_control for control in controls)
    assert all("margin_positive" not in control["sampled"] for control in controls)
    for number in range(CONTROLS):
        search.on_trial_complete(f"ray_{number}", result=result(0.9, 0.1))
    assert search._study.study.trials == []
    assert suggest(search, CONTROLS)["control"] is False
    assert states(search) == [TrialState.RUNNING]


def test_numbers_and_the_budget() -> None:
    search = searcher(trials=3)
    assert search._study.total == 5
    suggestions = [suggest(search, number) for number in range(5)]
    assert [suggestion["number"] for suggestion in suggestions] == [0, 1, 2, 3, 4]
    assert search.suggest("ray_5") == Searcher.FINISHED
    assert search.suggest("ray_6") == Searcher.FINISHED
    assert search._study.total == 5
    assert len(search._study.study.trials) == 3


def test_a_suggestion_is_a_whole_valid_configuration() -> None:
    search = searcher()
    for number in range(CONTROLS + 5):
        suggestion = suggest(search, number)
        config = TrialConfig.model_validate(suggestion["config"])
        assert config.model_dump() == suggestion["config"]
        assert config.epochs == 2
        assert suggestion["sampled"].items() <= suggestion["config"].items()


def test_values_reach_the_study_in_the_objectives_order_and_directions() -> None:
    search = searcher()
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete(f"ray_{CONTROLS}", result=result(0.75, 0.125))
    [trial] = search._study.study.trials
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.75, 0.125])
    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert search._study.study.directions == [maximise, minimise]


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        (None, True),
        (None, False),
        ({}, False),
        (result(0.5, 0.1), True),
        (result(math.nan, 0.1), False),
        (result(0.5, math.inf), False),
        ({"measurement": None, "failure": "not finite", "done": True}, False),
        (result(0.5, 0.1) | {"failure": "not finite"}, False),
    ],
)
def test_what_has_no_two_values_is_told_as_failed(ended: dict[str, Any], error: bool) -> None:
    search = searcher()
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete(f"ray_{CONTROLS}", result=ended, error=error)
    assert states(search) == [TrialState.FAIL]
    assert search._study.study.best_trials == []
    suggest(search, CONTROLS + 1)


def test_an_end_that_is_told_twice_counts_once() -> None:
    search = searcher()
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete(f"ray_{CONTROLS}", result=result(0.5, 0.1))
    search.on_trial_complete(f"ray_{CONTROLS}", error=True)
    search.on_trial_complete("never heard of", error=True)
    assert states(search) == [TrialState.COMPLETE]


def test_pending_trials_are_running_and_the_sampler_heeds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = searcher(trials=4)
    for number in range(CONTROLS + 4):
        suggest(search, number)
    search.on_trial_complete(f"ray_{CONTROLS + 1}", result=result(0.5, 0.1))
    running = TrialState.RUNNING
    assert states(search) == [running, TrialState.COMPLETE, running, running]
    asked: dict[str, Any] = {}
    monkeypatch.setattr(sweeps.search.samplers, "TPESampler", lambda **given: asked.update(given))
    make_sampler("tpe", seed=3)
    assert asked == {"seed": 3, "constant_liar": True}


def run(search: StudySearcher, trials: int) -> list[dict[str, Any]]:
    suggestions = []
    for number in range(CONTROLS + trials):
        suggestions.append(suggest(search, number))
        trial = suggestions[-1]["config"]
        ended = result(trial["margin_positive"], trial["weight_decay"])
        search.on_trial_complete(f"ray_{number}", result=ended)
    return suggestions


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_the_seed_decides(sampler: str) -> None:
    first = run(searcher(trials=15, sampler=sampler, seed=4), 15)
    assert run(searcher(trials=15, sampler=sampler, seed=4), 15) == first
    assert run(searcher(trials=15, sampler=sampler, seed=5), 15) != first


def test_tpe_goes_where_it_is_better() -> None:
    suggestions = run(searcher(trials=40), 40)
    decays = [suggestion["config"]["weight_decay"] for suggestion in suggestions[CONTROLS:]]
    assert sum(decays[-10:]) < sum(decays[:10]) / 2


def test_an_unknown_sampler() -> None:
    with pytest.raises(ValueError, match="'cmaes' is not one of tpe, nsgaii, random"):
        make_sampler("cmaes", seed=0)


def test_rays_snapshots_are_not_used(tmp_path: Any) -> None:
    search = searcher()
    search.save(str(tmp_path / "snapshot"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotImplementedError, match="rebuilt from the store"):
        search.restore(str(tmp_path / "snapshot"))
