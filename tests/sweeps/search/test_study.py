import math
from collections.abc import Mapping
from functools import partial

import optuna
import pytest
from optuna.trial import TrialState

from sweeps.search import Study, Suggestion, make_sampler
from sweeps.spec import Choices, Range, SearchSpace
from sweeps.spec.metric_learning import workload as kind
from trainer import TCM_FIELDS, TrialConfig

from .studies import CONTROLS, OPENINGS, PAIR, small_study

TCM_DEFAULT = {
    "margin_positive": 0.9,
    "margin_negative": 0.5,
    "weight_positive": 1.0,
    "weight_negative": 1.0,
}


def ask(study: Study) -> Suggestion:
    suggestion = study.ask()
    assert suggestion is not None
    return suggestion


def scored(recall: float, opis: float) -> dict[str, float]:
    return {"recall_at_1": recall, "opis": opis, "map_at_r": 0.5}


def states(study: Study) -> list[TrialState]:
    return [trial.state for trial in study.study.get_trials(deepcopy=False)]


def test_each_control_comes_first_with_the_default_and_the_centre() -> None:
    study = small_study(trials=9)
    first = [ask(study) for _ in range(OPENINGS)]
    assert [each.control for each in first] == [True, False, False] * 2
    assert [each.config["loss"] for each in first] == ["smooth_ap"] * 3 + ["arcface"] * 3
    for control, default, centre in (first[:3], first[3:]):
        assert TrialConfig.model_validate(control.config).is_control
        assert "margin_positive" not in control.sampled
        assert TCM_DEFAULT.items() <= default.config.items()
        assert centre.config["margin_negative"] == pytest.approx(0.5)
        judged = {*TCM_FIELDS}
        alike = [{k: v for k, v in c.config.items() if k not in judged} for c in (default, centre)]
        assert alike[0] == alike[1]
        assert alike[0].items() <= control.config.items()


def test_of_controls_the_sampler_is_told_nothing() -> None:
    study = small_study()
    first = [ask(study) for _ in range(OPENINGS)]
    for each in first:
        study.tell(each.number, scored(0.9, 0.1))
    assert states(study) == [TrialState.COMPLETE] * 4
    drawn = [trial.params for trial in study.study.trials]
    assert [each["margin_positive_share"] for each in drawn] == [1.0, 0.5] * 2
    assert ask(study).control is False


def test_of_a_default_outside_the_space_the_sampler_is_told_nothing() -> None:
    space = SearchSpace(
        {"margin_positive": Range(low=0.6, high=0.8)}, {}, config=kind.config, rules=kind.rules
    )
    study = Study(space, PAIR, trials=3, sampler=partial(make_sampler, "random", seed=0))
    control, default, centre = (ask(study) for _ in range(3))
    assert (control.sampled, default.sampled) == ({}, {"margin_positive": 0.9})
    assert default.config["margin_positive"] == 0.9
    assert centre.sampled == {"margin_positive": pytest.approx(0.7)}
    assert [trial.params for trial in study.study.trials] == [centre.sampled]
    assert study.left == 1


def test_what_would_train_alike_comes_once() -> None:
    space = SearchSpace(
        {"batch_size": Choices(choices=(32, 64))}, {}, config=kind.config, rules=kind.rules
    )
    study = Study(space, PAIR, trials=5, sampler=partial(make_sampler, "random", seed=0))
    control, default = ask(study), ask(study)
    assert (control.control, default.control) == (True, False)
    assert (study.left, len(study.study.trials)) == (4, 1)


def test_openings_do_not_exceed_the_budget() -> None:
    study = small_study(trials=1)
    assert [ask(study).control for _ in range(3)] == [True, False, True]
    assert study.ask() is None


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
    study = small_study(trials=1)
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(1, scored(0.75, 0.125))
    [trial] = study.study.trials
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.75, 0.125])
    maximise, minimise = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert study.study.directions == [maximise, minimise]


@pytest.mark.parametrize("metrics", [None, scored(math.nan, 0.1), scored(0.5, math.inf)])
def test_what_has_no_two_values_is_told_as_failed(metrics: Mapping[str, float] | None) -> None:
    study = small_study(trials=1)
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(1, metrics)
    assert states(study) == [TrialState.FAIL]
    assert study.study.best_trials == []


def test_what_is_told_last_counts() -> None:
    study = small_study(trials=1)
    for _ in range(CONTROLS + 1):
        ask(study)
    study.tell(1, None)
    study.tell(1, scored(0.5, 0.1))
    study.tell(1, scored(0.6, 0.2))
    study.tell(99, None)
    [trial] = study.study.trials
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.6, 0.2])


def test_pending_trials_are_running() -> None:
    study = small_study(trials=4)
    for _ in range(CONTROLS + 4):
        ask(study)
    study.tell(2, scored(0.5, 0.1))
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
    decays = [suggestion.config["weight_decay"] for suggestion in suggestions[OPENINGS:]]
    assert sum(decays[-10:]) < sum(decays[:10]) / 2
