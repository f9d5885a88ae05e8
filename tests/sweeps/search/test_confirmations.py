from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sweeps.search import Confirmations, PastRun, Suggestion
from sweeps.spec.metric_learning import workload

RULE = workload.rules.control


def suggested(number: int, **fields: Any) -> Suggestion:
    config = workload.config(**fields).model_dump()
    return Suggestion(number=number, seed=0, config=config, sampled={}, control=False)


ALL = {
    0: suggested(0, weight_positive=0, weight_negative=0),
    1: suggested(1, margin_positive=0.8),
    2: suggested(2, margin_positive=0.7),
}


def handed_out(runs: Confirmations) -> list[Suggestion]:
    found = []
    while (run := runs.ask()) is not None:
        assert not runs.done or run is not None
        runs.tell(run, None)
        found.append(run)
    assert runs.done
    return found


def test_picks_and_what_they_are_held_against_have_the_same_seeds() -> None:
    runs = Confirmations(RULE, ALL, [1, 2], seeds=2)
    assert runs.total == 8
    found = handed_out(runs)
    assert {run.purpose for run in found} == {"CONFIRM"}
    # The control is there already; the default becomes trial 3; both are shared.
    assert sorted((run.number, run.seed) for run in found) == [
        (number, 2_000_000 + k) for number in (0, 1, 2, 3) for k in (0, 1)
    ]
    assert [(run.number, run.seed) for run in found if run.keep] == [(1, 2_000_000), (2, 2_000_000)]
    [default] = {run.config["margin_positive"] for run in found if run.number == 3}
    assert default == 0.9


@pytest.mark.parametrize("attempt", [0, 1, 5])
def test_each_attempt_has_seeds_of_its_own(attempt: int) -> None:
    runs = handed_out(Confirmations(RULE, ALL, [1], seeds=3, attempt=attempt))
    assert Confirmations.attempts(ALL, (run.seed for run in runs)) == attempt + 1
    assert Confirmations.attempts(ALL, []) == 0


def later(runs: Sequence[Suggestion]) -> dict[int, Suggestion]:
    """All configurations, as the store has them after some runs: with the references made."""
    return {**ALL, **{run.number: replace(run, seed=run.config["seed"]) for run in runs}}


def past(runs: Sequence[Suggestion], *, ended: int) -> list[PastRun]:
    return [PastRun(suggestion=run, ended=place < ended) for place, run in enumerate(runs)]


@pytest.mark.parametrize("attempt", [0, 2])
@pytest.mark.parametrize("ended", range(7))
def test_what_ended_before_an_interruption_is_not_run_again(attempt: int, ended: int) -> None:
    whole = handed_out(Confirmations(RULE, ALL, [1], seeds=2, attempt=attempt))
    before = past(whole[: ended + 1], ended=ended)
    known = later([each.suggestion for each in before])
    seeds = [each.suggestion.seed for each in before]
    assert Confirmations.attempts(known, seeds) == attempt + 1
    rest = Confirmations(RULE, known, [1], seeds=2, attempt=attempt, past=before)
    assert rest.goes_on
    assert [run.key for run in handed_out(rest)] == [run.key for run in whole[ended:]]


def test_a_confirmation_of_something_else_does_not_go_on() -> None:
    whole = handed_out(Confirmations(RULE, ALL, [1], seeds=2))
    other = Confirmations(RULE, later(whole), [2], seeds=2, past=past(whole, ended=3))
    assert not other.goes_on


def test_runs_that_reported_are_no_part_of_it() -> None:
    default = suggested(3, seed=1_000_000)
    reported = replace(default, seed=1_000_000)
    known = {**ALL, 3: default}
    runs = Confirmations(RULE, known, [1], seeds=2, past=past([reported], ended=1))
    assert runs.goes_on
    assert {run.seed for run in handed_out(runs)} == {2_000_000, 2_000_001}
