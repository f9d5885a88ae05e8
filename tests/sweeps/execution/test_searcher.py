from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher
from sqlalchemy.exc import OperationalError

from sweeps.execution.searcher import StudySearcher
from sweeps.search import ReplicatedStudy, Study, Suggestion
from sweeps.store import WriteQueue
from tests.sweeps.search.studies import PAIR, small_study


def suggest(search: StudySearcher, number: int) -> dict[str, Any]:
    suggestion = search.suggest(f"ray_{number}")
    assert isinstance(suggestion, dict)
    return suggestion


def many() -> int:
    return 99


def known(run: Suggestion) -> dict[str, Any]:
    return {"attempt": run.number % 2, "measured": [1] * (run.number % 2)}


def searcher(
    study: Study, wanted: Callable[[], int] = many
) -> tuple[StudySearcher, ReplicatedStudy]:
    replicated = ReplicatedStudy(study, PAIR)
    return StudySearcher(replicated, wanted, known, WriteQueue()), replicated


def test_a_suggestion_comes_as_its_fields_and_with_what_is_known_of_it() -> None:
    search, _ = searcher(small_study())
    first, second = suggest(search, 0), suggest(search, 1)
    assert first.keys() == {field.name for field in fields(Suggestion)} | {"attempt", "measured"}
    assert (first["attempt"], first["measured"]) == (0, [])
    assert (second["attempt"], second["measured"]) == (1, [1])


def test_it_ends_when_the_study_has_heard_of_all_ends() -> None:
    search, study = searcher(small_study(trials=3))
    suggestions = [suggest(search, number) for number in range(5)]
    assert [suggestion["number"] for suggestion in suggestions] == [0, 1, 2, 3, 4]
    assert search.suggest("ray_5") is None
    for number, fieldwise in enumerate(suggestions):
        search.on_trial_complete(f"ray_{number}")
        assert search.suggest("ray_5") is None
        run = Suggestion(**{field.name: fieldwise[field.name] for field in fields(Suggestion)})
        study.tell(run, {"recall_at_1": 0.5, "opis": 0.1})
    assert search.suggest("ray_5") == Searcher.FINISHED
    assert search.suggest("ray_6") == Searcher.FINISHED


def test_no_more_are_suggested_than_are_wanted() -> None:
    wanted = 2
    search, _ = searcher(small_study(), lambda: wanted)
    assert [suggest(search, number)["number"] for number in range(2)] == [0, 1]
    assert search.suggest("ray_2") is None
    search.on_trial_complete("ray_0")
    assert suggest(search, 3)["number"] == 2
    assert search.suggest("ray_4") is None
    search.on_trial_complete("ray_1", error=True)
    search.on_trial_complete("never heard of", error=True)
    wanted = 1
    assert search.suggest("ray_5") is None
    search.on_trial_complete("ray_3", error=True)
    assert suggest(search, 6)["number"] == 3


def test_while_the_store_takes_nothing_no_run_begins() -> None:
    away = [True]

    def write() -> None:
        if away[0]:
            raise OperationalError("INSERT", {}, ConnectionError("gone"))

    now = [0.0]
    writes = WriteQueue(clock=lambda: now[0])
    study = ReplicatedStudy(small_study(), PAIR)
    search = StudySearcher(study, many, known, writes)
    writes.write(write)
    assert search.suggest("ray_0") is None
    now[0], away[0] = 99.0, False
    assert suggest(search, 0)["number"] == 0


def test_a_run_that_nothing_is_known_of_is_handed_out_later() -> None:
    away = [True]

    def unknown(_: Suggestion) -> dict[str, Any]:
        if away[0]:
            raise OperationalError("SELECT", {}, ConnectionError("gone"))
        return {}

    search = StudySearcher(ReplicatedStudy(small_study(), PAIR), many, unknown, WriteQueue())
    assert search.suggest("ray_0") is None
    away[0] = False
    assert [suggest(search, place)["number"] for place in (0, 1)] == [0, 1]


def test_rays_snapshots_are_not_used(tmp_path: Path) -> None:
    search, _ = searcher(small_study())
    search.save(str(tmp_path / "snapshot"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotImplementedError, match="rebuilt from the store"):
        search.restore(str(tmp_path / "snapshot"))
