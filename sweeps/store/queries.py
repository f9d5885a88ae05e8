"""Queries of the store, and the records that its rows become."""

import json
import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from objectives import InputError, Objective
from sweeps.store import schema
from sweeps.store.records import (
    AttemptRecord,
    BaselineRecord,
    MeasurementRecord,
    Purpose,
    ReplicateRecord,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)

__all__ = [
    "find_sweep",
    "finite",
    "plain_json",
    "read_attempts",
    "read_baselines",
    "read_measurements",
    "read_replicates",
    "read_trials",
    "storable_text",
    "sweep_record",
]


def find_sweep(connection: Connection, name: str) -> Row[Any]:
    """Return the row of the sweep of that name.

    Raises:
        InputError: There is none of that name; the message lists those there are.
    """
    row = connection.execute(select(schema.sweeps).where(schema.sweeps.c.name == name)).first()
    if row is None:
        names = connection.scalars(select(schema.sweeps.c.name).order_by(schema.sweeps.c.id))
        known = ", ".join(names) or "none yet"
        raise InputError(f"there is no sweep called {name!r}; there are: {known}")
    return row


def sweep_record(row: Row[Any]) -> SweepRecord:
    """Return a row of `sweeps.store.schema.sweeps` as a record."""
    return SweepRecord(
        name=row.name,
        spec=row.spec,
        provenance=row.provenance,
        state=SweepState(row.state),
        created_at=row.created_at,
        finished_at=row.finished_at,
        recorded_objectives=_objectives(row.objectives),
        driver=row.driver,
        seen_at=row.seen_at,
        archived_at=row.archived_at,
    )


def _objectives(rows: list[dict[str, Any]] | None) -> tuple[Objective, Objective] | None:
    if rows is None:
        return None
    first, second = (Objective(**row) for row in rows)
    return first, second


def read_trials(connection: Connection, which: ColumnElement[bool]) -> tuple[TrialRecord, ...]:
    """Return the trials that fulfil the condition, by number."""
    query = select(schema.trials).where(which).order_by(schema.trials.c.number)
    return tuple(
        TrialRecord(
            number=row.number,
            config=row.config,
            sampled=row.sampled,
            control=row.control,
            state=TrialState(row.state),
            reason=row.reason,
            started_at=row.started_at,
            finished_at=row.finished_at,
            last_epoch=row.last_epoch,
            drawn=row.drawn,
        )
        for row in connection.execute(query)
    )


def read_measurements(
    connection: Connection, which: ColumnElement[bool]
) -> tuple[MeasurementRecord, ...]:
    """Return the measurements that fulfil the condition, by number, epoch, seed and split."""
    columns, of = schema.measurements.c, schema.replicates.c
    order = (columns.number, columns.epoch, columns.seed, columns.split)
    same = [columns[key] == of[key] for key in ("sweep_id", "number", "seed")]
    # A store that is older than replicates has measurements without one.
    both = schema.measurements.outerjoin(schema.replicates, and_(*same))
    query = select(schema.measurements, of.purpose).select_from(both).where(which).order_by(*order)
    return tuple(
        MeasurementRecord(
            number=row.number,
            epoch=row.epoch,
            seed=row.seed,
            split=row.split,
            metrics=row.metrics,
            recorded_at=row.recorded_at,
            purpose=Purpose(row.purpose or Purpose.SEARCH),
        )
        for row in connection.execute(query)
    )


def read_replicates(
    connection: Connection, which: ColumnElement[bool]
) -> tuple[ReplicateRecord, ...]:
    """Return the replicates that fulfil the condition, by number and start."""
    columns = schema.replicates.c
    order = (columns.number, columns.started_at, columns.seed)
    query = select(schema.replicates).where(which).order_by(*order)
    return tuple(
        ReplicateRecord(
            number=row.number,
            seed=row.seed,
            purpose=Purpose(row.purpose),
            state=TrialState(row.state),
            reason=row.reason,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        for row in connection.execute(query)
    )


def read_attempts(connection: Connection, which: ColumnElement[bool]) -> tuple[AttemptRecord, ...]:
    """Return the attempts that fulfil the condition, by number, seed and attempt."""
    columns = schema.attempts.c
    order = (columns.number, columns.seed, columns.attempt)
    query = select(schema.attempts).where(which).order_by(*order)
    return tuple(
        AttemptRecord(
            number=row.number,
            seed=row.seed,
            attempt=row.attempt,
            state=TrialState(row.state),
            kind=row.kind,
            reason=row.reason,
            traceback=row.traceback,
            node=row.node,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        for row in connection.execute(query)
    )


def read_baselines(
    connection: Connection, which: ColumnElement[bool]
) -> tuple[BaselineRecord, ...]:
    """Return the baselines that fulfil the condition, by number and split."""
    columns = schema.baselines.c
    query = select(schema.baselines).where(which).order_by(columns.number, columns.split)
    return tuple(
        BaselineRecord(
            number=row.number,
            split=row.split,
            name=row.name,
            label=row.label,
            fields=row.fields,
            metrics=row.metrics,
            reason=row.reason,
            recorded_at=row.recorded_at,
        )
        for row in connection.execute(query)
    )


def plain_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data as it will be read back.

    Raises:
        ValueError: It is not JSON data, or holds a number that is not finite.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(data), allow_nan=False))
    except TypeError as error:
        raise ValueError(f"not plain JSON data: {error}") from error
    return plain


def storable_text(text: str | None) -> str | None:
    """Return the text without what a database refuses: NUL, and halves of surrogate pairs."""
    if text is None:
        return None
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def finite(metrics: Mapping[str, float], *, of: str) -> dict[str, float]:
    """Return metrics as floats.

    Raises:
        ValueError: One is not finite; the message says whose they are.
    """
    values = {name: float(value) for name, value in metrics.items()}
    if bad := {name: value for name, value in values.items() if not math.isfinite(value)}:
        raise ValueError(f"{of}: not finite: {bad}")
    return values
