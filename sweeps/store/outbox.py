"""Outbox of the store: the rows that MLflow has not been given yet, and their marks."""

from typing import Final

from sqlalchemy import Connection, Update, bindparam, update

from sweeps.store import schema
from sweeps.store.queries import read_baselines, read_measurements, read_trials
from sweeps.store.records import Outbox

__all__ = ["mark_outbox", "read_outbox"]

_TRIALS: Final = schema.trials.c
_MEASUREMENTS: Final = schema.measurements.c
_BASELINES: Final = schema.baselines.c
_KEYS: Final = ("number", "epoch", "seed", "split")


def read_outbox(connection: Connection, sweep_id: int) -> Outbox:
    """Return what of a sweep has not been marked as mirrored."""
    # Measurements first: the trial of each is then sure to be seen by the second query.
    measurements = read_measurements(
        connection, (_MEASUREMENTS.sweep_id == sweep_id) & _MEASUREMENTS.mirrored.is_(False)
    )
    changed = _TRIALS.mirrored_state.is_distinct_from(_TRIALS.state)
    trials = read_trials(connection, (_TRIALS.sweep_id == sweep_id) & changed)
    baselines = read_baselines(
        connection, (_BASELINES.sweep_id == sweep_id) & _BASELINES.mirrored.is_(False)
    )
    return Outbox(trials=trials, measurements=measurements, baselines=baselines)


def mark_outbox(connection: Connection, sweep_id: int, outbox: Outbox) -> None:
    """Mark what is in the outbox, and nothing newer, as mirrored."""
    trials = [{"of_number": t.number, "as_state": t.state.value} for t in outbox.trials]
    measurements = [{f"of_{key}": getattr(m, key) for key in _KEYS} for m in outbox.measurements]
    baselines = [{"of_number": b.number, "of_split": b.split} for b in outbox.baselines]
    if trials:
        connection.execute(_mark_trials(sweep_id), trials)
    if measurements:
        connection.execute(_mark_measurements(sweep_id), measurements)
    if baselines:
        connection.execute(_mark_baselines(sweep_id), baselines)


def _mark_trials(sweep_id: int) -> Update:
    """Take the state from the outbox, so that a trial that has changed since stays unmirrored."""
    which = (_TRIALS.sweep_id == sweep_id, _TRIALS.number == bindparam("of_number"))
    return update(schema.trials).where(*which).values(mirrored_state=bindparam("as_state"))


def _mark_measurements(sweep_id: int) -> Update:
    key = (_MEASUREMENTS[name] == bindparam(f"of_{name}") for name in _KEYS)
    which = (_MEASUREMENTS.sweep_id == sweep_id, *key)
    return update(schema.measurements).where(*which).values(mirrored=True)


def _mark_baselines(sweep_id: int) -> Update:
    key = (_BASELINES[name] == bindparam(f"of_{name}") for name in ("number", "split"))
    return (
        update(schema.baselines).where(_BASELINES.sweep_id == sweep_id, *key).values(mirrored=True)
    )
