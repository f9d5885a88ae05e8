"""History of a sweep, as its store has it, for who goes on with it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from objectives import InputError
from sweeps.search import PastRun, Suggestion
from sweeps.spec import Budget, Data, SweepSpec
from sweeps.store import (
    MeasurementRecord,
    Purpose,
    ReplicateRecord,
    Store,
    SweepRecord,
    TrialRecord,
    TrialState,
)
from trainer import input_error

__all__ = ["agreed", "check_same_data", "past_runs", "settle", "spec_of", "suggestions_of"]

_OPEN: Final = (TrialState.RUNNING, TrialState.LOST)
_MAY_CHANGE: Final = ("budget", "resources", "failures")
_Key = tuple[int, int]


def agreed(spec: SweepSpec, record: SweepRecord) -> SweepSpec:
    """Return the spec that a sweep began with, under a budget no smaller, and new resources.

    What becomes of runs that fail may be another, too.

    Raises:
        InputError: Anything else is different, or the budget is smaller.
    """
    old, new = spec_of(record), spec.model_dump(mode="json", by_alias=True)
    before = old.model_dump(mode="json", by_alias=True)
    for key in new:
        if key not in _MAY_CHANGE and new[key] != before[key]:
            raise InputError(
                f"is not what {record.name} began with; choose another name", field=key
            )
    for key, most in _most(spec.budget).items():
        if most < (begun := _most(old.budget)[key]):
            raise InputError(
                f"{most} is less than the {begun} that {record.name} began with",
                field=f"budget.{key}",
            )
    resources = spec.resources
    if resources.gpu == "auto":  # a probe has found it
        resources = resources.model_copy(update={"gpu": old.resources.gpu})
    new_ones = {"budget": spec.budget, "resources": resources, "failures": spec.failures}
    return old.model_copy(update=new_ones)


def _most(budget: Budget) -> dict[str, int]:
    """Return how many there may be of what a budget limits."""
    replicates = budget.trials if budget.replicates is None else budget.replicates
    return {"trials": budget.trials, "replicates": replicates, "reports": budget.reports}


def spec_of(record: SweepRecord) -> SweepSpec:
    """Return the spec of a sweep.

    Raises:
        InputError: It is not valid here, such as one whose workload is not to be found.
    """
    try:
        return SweepSpec.model_validate(record.spec)
    except ValidationError as error:
        raise input_error(error) from None


def check_same_data(record: SweepRecord, data: Data) -> None:
    """Refuse data that are not those that a sweep began with.

    Raises:
        InputError: They are not.
    """
    facts = record.provenance.get("data", {})
    if facts.get("fingerprint", data.fingerprint) != data.fingerprint:
        raise InputError(f"the data are not those that {record.name} was trained on", field="data")


def suggestions_of(store: Store, sweep: str) -> dict[int, Suggestion]:
    """Return the configurations of a sweep by number, as they were suggested."""
    return {
        trial.number: Suggestion(
            number=trial.number,
            seed=trial.config["seed"],
            config=trial.config,
            sampled=trial.sampled,
            control=trial.control,
            drawn=trial.drawn,
        )
        for trial in store.trials(sweep)
    }


def past_runs(store: Store, sweep: str, known: Mapping[int, Suggestion]) -> list[PastRun]:
    """Return the runs of a sweep in the order in which they started.

    Args:
        store: The record.
        sweep: Name of the sweep.
        known: Its configurations, by number.
    """
    last = _last(store.trials(sweep), store.measurements(sweep))
    runs = sorted(store.replicates(sweep), key=lambda run: (run.started_at, run.number, run.seed))
    return [
        PastRun(
            suggestion=replace(known[run.number], seed=run.seed, purpose=run.purpose.value),
            ended=run.state not in _OPEN,
            metrics=_metrics(run, last),
        )
        for run in runs
    ]


def settle(store: Store, sweep: str, *, reason: str) -> None:
    """Leave nothing of a sweep RUNNING: what has measured its last rung is COMPLETE, else LOST.

    Args:
        store: The record.
        sweep: Name of the sweep.
        reason: Why runs were lost.
    """
    last = _last(store.trials(sweep), store.measurements(sweep))
    for run in store.replicates(sweep):
        if run.state is TrialState.RUNNING and (run.number, run.seed) in last:
            state = TrialState.COMPLETE
            store.finish_replicate(sweep, run.number, seed=run.seed, state=state)
    store.lose_running(sweep, reason=reason)


def _metrics(
    run: ReplicateRecord, last: Mapping[_Key, MeasurementRecord]
) -> Mapping[str, float] | None:
    measured = last.get((run.number, run.seed))
    return measured.metrics if measured and run.state is TrialState.COMPLETE else None


def _last(
    trials: Iterable[TrialRecord], measurements: Iterable[MeasurementRecord]
) -> dict[_Key, MeasurementRecord]:
    """Return what runs measured at their last rung."""
    ends = {trial.number: trial.last_epoch for trial in trials}
    return {
        (m.number, m.seed): m
        for m in measurements
        if m.epoch == ends[m.number]
        and m.split == ("test" if m.purpose is Purpose.CONFIRM else "validation")
    }
