import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from sweeps.execution.searcher import StudySearcher
from sweeps.search import ReplicatedStudy, Study, Suggestion
from tests.sweeps.search.studies import CONTROLS, PAIR, small_study
from trainer import Measurement


def result(recall: float, opis: float) -> dict[str, Any]:
    metrics = {"recall_at_1": recall, "opis": opis, "map_at_r": 0.5}
    measurement = Measurement(epoch=2, seed=0, split="validation", metrics=metrics)
    return {"measurement": measurement, "failure": None, "done": True}


def suggest(search: StudySearcher, number: int) -> dict[str, Any]:
    suggestion = search.suggest(f"ray_{number}")
    assert isinstance(suggestion, dict)
    return suggestion


def many() -> int:
    return 99


def states(study: Study) -> list[TrialState]:
    return [trial.state for trial in study.study.get_trials(deepcopy=False)]


def searcher(study: Study, wanted: Callable[[], int] = many) -> StudySearcher:
    return StudySearcher(ReplicatedStudy(study, PAIR), wanted)


def test_a_suggestion_comes_as_its_fields() -> None:
    suggestion = suggest(searcher(small_study()), 0)
    assert suggestion.keys() == {field.name for field in fields(Suggestion)}


def test_numbers_and_the_budget() -> None:
    search = searcher(small_study(trials=3))
    suggestions = [suggest(search, number) for number in range(5)]
    assert [suggestion["number"] for suggestion in suggestions] == [0, 1, 2, 3, 4]
    assert search.suggest("ray_5") is None
    for number in range(5):
        search.on_trial_complete(f"ray_{number}", result=result(0.5, 0.1))
    assert search.suggest("ray_5") == Searcher.FINISHED
    assert search.suggest("ray_6") == Searcher.FINISHED


def test_no_more_are_suggested_than_are_wanted() -> None:
    wanted = 2
    search = searcher(small_study(), lambda: wanted)
    assert [suggest(search, number)["number"] for number in range(2)] == [0, 1]
    assert search.suggest("ray_2") is None
    search.on_trial_complete("ray_0", result=result(0.5, 0.1))
    assert suggest(search, 3)["number"] == 2
    assert search.suggest("ray_4") is None
    search.on_trial_complete("ray_1", error=True)
    wanted = 1
    assert search.suggest("ray_5") is None
    search.on_trial_complete("ray_3", error=True)
    assert suggest(search, 6)["number"] == 3


def test_values_reach_the_study() -> None:
    study = small_study(trials=1)
    search = searcher(study)
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete("ray_1", result=result(0.75, 0.125))
    [trial] = study.study.trials
    assert trial.state is TrialState.COMPLETE
    assert trial.values == pytest.approx([0.75, 0.125])


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
def test_what_has_no_two_values_is_told_as_failed(
    ended: dict[str, Any] | None, error: bool
) -> None:
    study = small_study(trials=1)
    search = searcher(study)
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete("ray_1", result=ended, error=error)
    assert states(study) == [TrialState.FAIL]
    assert study.study.best_trials == []


def test_an_end_that_is_told_twice_counts_once() -> None:
    study = small_study(trials=1)
    search = searcher(study)
    for number in range(CONTROLS + 1):
        suggest(search, number)
    search.on_trial_complete("ray_1", result=result(0.5, 0.1))
    search.on_trial_complete("ray_1", error=True)
    search.on_trial_complete("never heard of", error=True)
    assert states(study) == [TrialState.COMPLETE]


def test_rays_snapshots_are_not_used(tmp_path: Path) -> None:
    search = searcher(small_study())
    search.save(str(tmp_path / "snapshot"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotImplementedError, match="rebuilt from the store"):
        search.restore(str(tmp_path / "snapshot"))
