"""What a sweep may be gone on with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from objectives import InputError
from sweeps.execution.history import agreed
from sweeps.spec import SweepSpec
from sweeps.store import SweepRecord, SweepState

SPEC: dict[str, Any] = {
    "name": "fake",
    "workload": "simulated",
    "space": {"trade": {"low": 0, "high": 1}},
    "budget": {"trials": 6, "reports": 2},
}


def record(**changes: Any) -> SweepRecord:
    spec = SweepSpec.model_validate(SPEC | changes).model_dump(mode="json", by_alias=True)
    return SweepRecord(
        name="fake",
        spec=spec,
        provenance={},
        state=SweepState.PAUSED,
        created_at=datetime(2026, 11, 29, tzinfo=UTC),
        finished_at=None,
    )


def wanted(**changes: Any) -> SweepSpec:
    return SweepSpec.model_validate(SPEC | changes)


@pytest.mark.parametrize(
    "budget",
    [
        {"trials": 6, "reports": 2},
        {"trials": 7, "reports": 3, "replicates": 9, "max_concurrent": 1},
    ],
)
def test_a_budget_may_grow(budget: dict[str, int]) -> None:
    found = agreed(wanted(budget=budget), record())
    assert found.budget == wanted(budget=budget).budget


@pytest.mark.parametrize(
    ("budget", "field", "said"),
    [
        ({"trials": 5, "reports": 2}, "trials", "5 is less than the 6 that fake began with"),
        ({"trials": 6, "reports": 1}, "reports", "1 is less than the 2 that fake began with"),
        ({"trials": 9, "reports": 2, "replicates": 4}, "replicates", "4 is less than the 6 that"),
    ],
)
def test_a_budget_does_not_shrink(budget: dict[str, int], field: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        agreed(wanted(budget=budget), record())
    assert raised.value.fields == (f"budget.{field}",)


def test_what_a_trial_holds_may_change() -> None:
    found = agreed(wanted(resources={"cpu": 2, "gpu": 0.5}), record())
    assert (found.resources.cpu, found.resources.gpu) == (2, 0.5)


def test_what_becomes_of_failures_may_change() -> None:
    found = agreed(wanted(failures={"time_limit": 60}), record())
    assert found.failures.time_limit == 60


def test_what_a_probe_found_stays() -> None:
    asked = wanted()
    asked = asked.model_copy(
        update={"resources": asked.resources.model_copy(update={"gpu": "auto"})}
    )
    found = agreed(asked, record(resources={"cpu": 1, "gpu": 0.25}))
    assert found.resources.gpu == 0.25


def test_nothing_else_may_change() -> None:
    with pytest.raises(InputError, match="is not what fake began with") as raised:
        agreed(wanted(seed=3), record())
    assert raised.value.fields == ("seed",)
