import math
from collections.abc import Mapping

import optuna
import pytest
from optuna.trial import TrialState

from sweeps.search import Study, Suggestion
from trainer import TrialConfig

from .studies import CONTROLS, small_study


def ask(study: Study) -> Suggestion:
    suggestion = study.ask()
    assert suggestion is not None
    return suggestion


def scored(recall: float, opis: float) -> dict[str, float]:
    return {"recall_at_1": recall, "opis": opis, "map_at_r": 0.5}


def states(study: Study) -> list[TrialState]:
    return [trial.state for trial in study.study.get_trials(deepcopy=False)]


def test_controls_come_first_and_the_study_does_not_know_them() -> None:
    study = small_study()
    controls = [ask(study) for _ in range(CONTROLS)]
    assert [control.control for control in controls] == [True, True]
    assert [control.config["loss"] for control in controls] == ["smooth_ap", "arcface"]
    assert all(TrialConfig.model_validate(control.config).is_control for control in controls)
    assert all("margin_positive" not in control.sampled for control in controls)
    for control in controls:
        study.tell(control.number, scored(0.9, 0.1))
    assert study.study.trials == []
    assert ask(study).control is False
    assert states(study) == [TrialState.RUNNING]


def test_numbers_and_the_budget() -> None:
    study = small_study(trials=3)
    assert study.total == 5
    assert [ask(study).number for _ in range(5)] == [0, 1, 2, 3, 4]
    assert study.ask() is None
    assert study.ask() is None
    assert study.total == 5
    assert len(study.study.trials) == 3


def test_a_suggestion_is_a_whole_valid_configuration() -> None:
    study = small_study()
    for _ in range(CONTROLS + 5):
        suggestion = ask(study)
        config = TrialConfig.model_validate(suggestion.config)
        assert config.model_dump(mode="json") == suggestion.config
        assert config.epochs == 2
        assert suggestion.sampled.items() <= suggestion.config.items()


def test_values_reach_the_study_in_the_objectives_order_and_directions() -> None:
    study = small_study()
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(CONTROLS, scored(0.75, 0.125))
    [trial] = study.study.trials
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.75, 0.125])
    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert study.study.directions == [maximise, minimise]


@pytest.mark.parametrize("metrics", [None, scored(math.nan, 0.1), scored(0.5, math.inf)])
def test_what_has_no_two_values_is_told_as_failed(metrics: Mapping[str, float] | None) -> None:
    study = small_study()
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(CONTROLS, metrics)
    assert states(study) == [TrialState.FAIL]
    assert study.study.best_trials == []
    ask(study)


def test_an_end_that_is_told_twice_counts_once() -> None:
    study = small_study()
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(CONTROLS, scored(0.5, 0.1))
    study.tell(CONTROLS, None)
    study.tell(99, None)
    assert states(study) == [TrialState.COMPLETE]


def test_pending_trials_are_running() -> None:
    study = small_study(trials=4)
    for _ in range(CONTROLS + 4):
        ask(study)
    study.tell(CONTROLS + 1, scored(0.5, 0.1))
    running = TrialState.RUNNING
    assert states(study) == [running, TrialState.COMPLETE, running, running]


def run(study: Study, trials: int) -> list[Suggestion]:
    suggestions = []
    for _ in range(CONTROLS + trials):
        suggestion = ask(study)
        suggestions.append(suggestion)
        trial = suggestion.config
        study.tell(suggestion.number, scored(trial["margin_positive"], trial["weight_decay"]))
    return suggestions


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_the_seed_decides(sampler: str) -> None:
    first = run(small_study(trials=15, sampler=sampler, seed=4), 15)
    assert run(small_study(trials=15, sampler=sampler, seed=4), 15) == first
    assert run(small_study(trials=15, sampler=sampler, seed=5), 15) != first


def test_tpe_goes_where_it_is_better() -> None:
    suggestions = run(small_study(trials=40), 40)
    decays = [suggestion.config["weight_decay"] for suggestion in suggestions[CONTROLS:]]
    assert sum(decays[-10:]) < sum(decays[:10]) / 2
