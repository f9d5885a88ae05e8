from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sweeps.search import Suggestion
from sweeps.search.replication import PastRun, ReplicatedStudy
from sweeps.search.reports import Reports
from sweeps.spec.metric_learning import workload

from .studies import PAIR, small_study

FRESH = 1_000_000
RULE = workload.rules.control


def suggested(number: int, **fields: Any) -> Suggestion:
    config = workload.config(**fields).model_dump()
    return Suggestion(
        number=number, seed=0, config=config, sampled={"margin_positive": 0.9}, control=False
    )


CONTROL = suggested(0, weight_positive=0, weight_negative=0)
DEFAULT = suggested(1)
TUNED = suggested(2, margin_positive=0.8)
OTHER = suggested(3, margin_positive=0.8, batch_size=64)
ALL = {each.number: each for each in (CONTROL, DEFAULT, TUNED, OTHER)}


def planned(chosen: Sequence[int], *, runs: int) -> list[tuple[int, int]]:
    plan = Reports(RULE, lambda: chosen, runs=runs).plan(ALL)
    assert all(each.purpose == "REPORT" for each in plan)
    assert all(each.keep == (each.seed == FRESH) for each in plan)
    return [(each.number, each.seed - FRESH) for each in plan]


def test_the_chosen_are_trained_with_their_references_under_the_same_fresh_seeds() -> None:
    assert planned([2], runs=6) == [(2, 0), (0, 0), (1, 0), (2, 1), (0, 1), (1, 1)]


def test_what_is_left_goes_round_and_no_pair_is_left_alone() -> None:
    assert planned([2], runs=11)[6:] == [(2, 2), (0, 2), (1, 2)]
    assert planned([2], runs=2) == []
    assert planned([], runs=9) == []


def test_a_reference_that_is_not_there_becomes_a_trial() -> None:
    plan = Reports(RULE, lambda: [3], runs=6).plan(ALL)
    assert [each.number for each in plan] == [3, 4, 5] * 2
    control, default = plan[1], plan[2]
    assert (control.control, default.control) == (True, False)
    assert control.config["seed"] == default.config["seed"] == FRESH
    assert (control.sampled, default.sampled) == ({}, {"margin_positive": 0.9})
    assert control.config["batch_size"] == default.config["batch_size"] == 64
    assert default.config["margin_positive"] == 0.9


def test_shared_references_are_trained_once() -> None:
    more = {**ALL, 4: suggested(4, margin_positive=0.7)}
    plan = Reports(RULE, lambda: [2, 4], runs=8).plan(more)
    assert sorted((each.number, each.seed - FRESH) for each in plan) == [
        (n, k) for n in (0, 1, 2, 4) for k in (0, 1)
    ]


def test_a_control_that_was_chosen_is_held_against_the_default_alone() -> None:
    assert planned([0], runs=4) == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_of_a_chosen_one_that_is_another_ones_reference_nothing_is_trained_twice() -> None:
    assert planned([2, 0], runs=9) == [(n, k) for k in (0, 1) for n in (2, 0, 1)] + [
        (2, 2),
        (0, 2),
        (1, 2),
    ]


def test_without_a_rule_the_chosen_are_trained_alone() -> None:
    plan = Reports(None, lambda: [2], runs=3).plan(ALL)
    assert [(each.number, each.seed - FRESH) for each in plan] == [(2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("fails", [False, True])
def test_reports_come_last_and_decide_nothing(fails: bool) -> None:
    asked: list[int] = []

    def chosen() -> list[int]:
        asked.append(1)
        return [2]

    study = ReplicatedStudy(
        small_study(trials=4),
        PAIR,
        seeds="auto",
        replicates=3,
        reports=Reports(RULE, chosen, runs=6),
    )
    assert study.total == 4 + 2 + 3 + 6
    seen = []
    while (suggestion := study.ask()) is not None:
        seen.append(suggestion.purpose == "REPORT")
        value = {"recall_at_1": 0.9 + suggestion.number / 100, "opis": 0.003}
        study.tell(suggestion, None if fails and suggestion.purpose == "REPORT" else value)
    assert seen == [False] * 9 + [True] * 6
    assert (asked, study.done) == ([1], True)


def test_what_still_runs_is_waited_for() -> None:
    study = ReplicatedStudy(
        small_study(trials=1),
        PAIR,
        seeds="auto",
        replicates=0,
        reports=Reports(RULE, lambda: [0], runs=2),
    )
    first = [study.ask() for _ in range(3)]
    assert all(first)
    assert (study.ask(), study.done) == (None, False)
    for each in first:
        assert each is not None
        study.tell(each, {"recall_at_1": 0.9, "opis": 0.003})
    reports = [study.ask(), study.ask()]
    assert (study.ask(), study.done) == (None, False)
    one, other = reports
    assert one is not None
    assert other is not None
    assert {one.purpose, other.purpose} == {"REPORT"}
    study.lost(one)
    study.tell(other, None)
    assert (study.done, study.ask(), study.ask()) == (False, one, None)
    study.tell(one, None)
    assert (study.ask(), study.done) == (None, True)


def test_a_report_that_was_lost_with_its_sweep_is_kept_as_planned() -> None:
    def study() -> ReplicatedStudy:
        reports = Reports(RULE, lambda: [2], runs=6)
        return ReplicatedStudy(small_study(), PAIR, seeds="auto", reports=reports)

    runs = [
        PastRun(suggestion=replace(each, keep=False), ended=False)
        for each in (ALL[2], *Reports(RULE, lambda: [2], runs=6).plan(ALL))
    ]
    restored = study()
    restored.restore(ALL, runs)
    again = [restored.ask() for _ in runs]
    assert [(e.number, e.seed, e.keep) for e in again if e] == [
        (2, 0, False),
        *((number, FRESH, True) for number in (2, 0, 1)),
        *((number, FRESH + 1, False) for number in (2, 0, 1)),
    ]
