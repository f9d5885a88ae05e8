"""History of a sweep, as its store has it, for who goes on with it."""

from collections.abc import Mapping
from dataclasses import replace

from sweeps.search import PastRun, Suggestion
from sweeps.store import (
    MeasurementRecord,
    Purpose,
    ReplicateRecord,
    Store,
    TrialRecord,
    TrialState,
)

__all__ = ["past_runs", "settle", "suggestions_of"]

_OPEN = (TrialState.RUNNING, TrialState.LOST)
_Key = tuple[int, int]


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
    last = _last(store, sweep)
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
    trials = {trial.number: trial for trial in store.trials(sweep)}
    last = _last(store, sweep)
    for run in store.replicates(sweep):
        if run.state is TrialState.RUNNING and (run.number, run.seed) in last:
            trial = trials[run.number]
            with store.together():
                state = TrialState.COMPLETE
                store.finish_replicate(sweep, run.number, seed=run.seed, state=state)
                if run.seed == trial.config["seed"] and trial.state is TrialState.RUNNING:
                    store.finish_trial(sweep, run.number, state)
    store.lose_running(sweep, reason=reason)


def _metrics(
    run: ReplicateRecord, last: Mapping[_Key, MeasurementRecord]
) -> Mapping[str, float] | None:
    measured = last.get((run.number, run.seed))
    return measured.metrics if measured and run.state is TrialState.COMPLETE else None


def _last(store: Store, sweep: str) -> dict[_Key, MeasurementRecord]:
    """Return what runs measured at their last rung."""
    trials: dict[int, TrialRecord] = {trial.number: trial for trial in store.trials(sweep)}
    return {
        (m.number, m.seed): m
        for m in store.measurements(sweep)
        if m.epoch == trials[m.number].last_epoch
        and m.split == ("test" if m.purpose is Purpose.CONFIRM else "validation")
    }
