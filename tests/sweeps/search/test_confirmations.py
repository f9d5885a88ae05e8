from typing import Any

import pytest

from sweeps.search import Confirmations, Suggestion
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


def test_picks_of_other_seeds_share_what_they_are_held_against() -> None:
    other = {**ALL, 2: suggested(2, margin_positive=0.7, seed=1_234_567)}
    found = handed_out(Confirmations(RULE, other, [1, 2], seeds=2))
    seeds = {n: {run.seed for run in found if run.number == n} for n in (0, 1, 2, 3)}
    assert seeds[1] == {2_000_000, 2_000_001}
    assert seeds[2] == {3_234_567, 3_234_568}
    assert seeds[0] == seeds[3] == seeds[1] | seeds[2]


@pytest.mark.parametrize("attempt", [0, 1, 5])
def test_each_attempt_has_seeds_of_its_own(attempt: int) -> None:
    runs = handed_out(Confirmations(RULE, ALL, [1], seeds=3, attempt=attempt))
    offsets = (run.seed - run.config["seed"] for run in runs)
    assert Confirmations.attempts(offsets) == attempt + 1
    assert Confirmations.attempts([]) == 0
