"""Store of every sweep, in SQL: only the driver writes it, and it is its own outbox."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from threading import local
from types import MappingProxyType
from typing import Any, Final, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from objectives import InputError, Objective
from sweeps.store import schema
from sweeps.store.database import MissingStoreError, open_database
from sweeps.store.outbox import mark_outbox, read_outbox
from sweeps.store.queries import (
    find_sweep,
    finite,
    plain_json,
    read_attempts,
    read_baselines,
    read_measurements,
    read_replicates,
    read_trials,
    storable_text,
    sweep_record,
)
from sweeps.store.records import (
    AttemptRecord,
    BaselineRecord,
    MeasurementRecord,
    Outbox,
    Purpose,
    ReplicateRecord,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)
from trainer import Split

__all__ = ["Store", "check_name", "open_store", "utc_now"]

_SWEEPS: Final = schema.sweeps.c
_TRIALS: Final = schema.trials.c
_REPLICATES: Final = schema.replicates.c
_MEASUREMENTS: Final = schema.measurements.c
_RUNNING: Final = TrialState.RUNNING.value


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Store:
    """Sweeps, baselines, trials, their replicates and measurements in a SQL database.

    Every write is one transaction under an idempotent key, so that it can be repeated after a
    crash; `together` makes several one. Threads may share a store: each call takes a connection of
    its own.

    Every method that is given a sweep by name raises InputError where there is none of that name;
    the message lists those there are. But to have no driver is no error: a sweep may have been
    taken over, and then renamed or deleted.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._shared = local()

    @classmethod
    def open(
        cls, url: str, *, create: bool = True, clock: Callable[[], datetime] = utc_now
    ) -> "Store":
        """Open the store at a SQLAlchemy URL and bring its schema to the newest.

        Args:
            url: Such as ``sqlite:///folder/sweeps.db`` or ``postgresql://user@host/database``.
            create: Whether to make what is missing; without it an absent store is an error.
            clock: Gives the present moment, aware.

        Raises:
            InputError: It cannot be opened, or is not there; the message hides the password.
        """
        return cls(open_database(url, create=create), clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the store must not be used afterwards."""
        self._engine.dispose()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make what this thread reads and writes in the block one transaction, all or nothing.

        A block within another is part of that one.
        """
        if hasattr(self._shared, "connection"):
            yield
            return
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                # The driver would begin with the first INSERT, inside of its savepoint.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._shared.connection = connection
            try:
                yield
            finally:
                del self._shared.connection

    # Sweeps

    def create_sweep(
        self,
        name: str,
        *,
        spec: Mapping[str, Any],
        provenance: Mapping[str, Any],
        objectives: tuple[Objective, Objective] | None = None,
        driver: str | None = None,
    ) -> SweepRecord:
        """Add a RUNNING sweep.

        Args:
            name: Its unique name.
            spec: Plain JSON data.
            provenance: Plain JSON data.
            objectives: Its two objectives; those that the spec names if None.
            driver: The process that carries it out.

        Raises:
            InputError: The name is taken or too long.
            ValueError: ``spec`` or ``provenance`` is not plain JSON data.
        """
        _check_length(name)
        row = {
            "name": name,
            "spec": plain_json(spec),
            "provenance": plain_json(provenance),
            "objectives": objectives and [asdict(objective) for objective in objectives],
            "state": SweepState.RUNNING.value,
            "created_at": self._clock(),
            "driver": driver,
            "seen_at": driver and self._clock(),
        }
        if not self._insert(schema.sweeps, row):
            raise _taken(name)
        return self.sweep(name)

    def sweeps(self) -> tuple[SweepRecord, ...]:
        """Return all sweeps, the newest last."""
        with self._reading() as connection:
            rows = connection.execute(select(schema.sweeps).order_by(_SWEEPS.id))
            return tuple(sweep_record(row) for row in rows)

    def sweep(self, name: str) -> SweepRecord:
        """Return the sweep of that name."""
        with self._reading() as connection:
            return sweep_record(find_sweep(connection, name))

    def finish_sweep(self, name: str, state: SweepState) -> None:
        """Set the state that a sweep ended in; the same state again changes nothing.

        Raises:
            ValueError: The state is RUNNING; `resume_sweep` sets that.
        """
        if state is SweepState.RUNNING:
            raise ValueError("a sweep cannot finish as RUNNING")
        self._set_sweep_state(name, state, finished_at=self._clock())

    def resume_sweep(self, name: str) -> None:
        """Set a sweep RUNNING again, not finished."""
        self._set_sweep_state(name, SweepState.RUNNING, finished_at=None)

    def change_spec(self, name: str, spec: Mapping[str, Any]) -> None:
        """Set the spec of a sweep, such as one with a larger budget.

        Raises:
            ValueError: It is not plain JSON data.
        """
        with self._writing() as connection:
            which = _SWEEPS.id == find_sweep(connection, name).id
            connection.execute(update(schema.sweeps).where(which).values(spec=plain_json(spec)))

    def archive_sweep(self, name: str, *, undo: bool = False) -> None:
        """Set when a sweep was archived, or with ``undo`` that it is not; again changes nothing."""
        with self._writing() as connection:
            which = _SWEEPS.id == find_sweep(connection, name).id
            changed = _SWEEPS.archived_at.is_not(None) if undo else _SWEEPS.archived_at.is_(None)
            changes = update(schema.sweeps).values(archived_at=None if undo else self._clock())
            connection.execute(changes.where(which, changed))

    def rename_sweep(self, name: str, new_name: str) -> None:
        """Give a sweep another name, which its spec has too.

        Raises:
            InputError: The new name is taken or too long.
        """
        _check_length(new_name)
        with self._writing() as connection:
            row = find_sweep(connection, name)
            values = {"name": new_name, "spec": {**row.spec, "name": new_name}}
            changes = update(schema.sweeps).where(_SWEEPS.id == row.id).values(values)
            try:
                with connection.begin_nested():
                    connection.execute(changes)
            except IntegrityError:
                raise InputError(
                    f"a sweep called {new_name!r} exists already: choose another name",
                    field=("new_name",),
                ) from None

    def delete_sweep(self, name: str) -> None:
        """Delete a sweep with all that it has."""
        with self._writing() as connection:
            sweep_id = find_sweep(connection, name).id
            for table in reversed(schema.metadata.sorted_tables):  # whoever refers to others first
                owner = table.c.id if table is schema.sweeps else table.c.sweep_id
                connection.execute(delete(table).where(owner == sweep_id))

    def take_sweep(self, name: str, driver: str, *, instead_of: SweepRecord) -> bool:
        """Make a process the driver of a sweep; return whether it is.

        Args:
            name: The sweep.
            driver: The process.
            instead_of: The sweep as it was read: where another driver, or a newer sign of life of
                the same one, is there by now, nothing changes.
        """
        before = (
            _SWEEPS.driver.is_not_distinct_from(instead_of.driver),
            _SWEEPS.seen_at.is_not_distinct_from(instead_of.seen_at),
        )
        return self._set_driver(name, before, driver=driver, seen_at=self._clock())

    def renew_driver(self, name: str, driver: str) -> bool:
        """Take down a sign of life of a driver; return False where it is the driver no more."""
        return self._set_driver(name, (_SWEEPS.driver == driver,), seen_at=self._clock())

    def leave_sweep(self, name: str, driver: str) -> None:
        """Take down that a process is the driver no more."""
        self._set_driver(name, (_SWEEPS.driver == driver,), driver=None, seen_at=None)

    def _set_driver(
        self, name: str, before: tuple[ColumnElement[bool], ...], **values: object
    ) -> bool:
        changes = update(schema.sweeps).where(_SWEEPS.name == name, *before).values(values)
        with self._writing() as connection:
            return connection.execute(changes).rowcount == 1

    def _set_sweep_state(
        self, name: str, state: SweepState, *, finished_at: datetime | None
    ) -> None:
        with self._writing() as connection:
            which = _SWEEPS.id == find_sweep(connection, name).id
            changes = update(schema.sweeps).values(state=state.value, finished_at=finished_at)
            connection.execute(changes.where(which, _SWEEPS.state != state.value))

    # Baselines

    def record_baseline(
        self,
        sweep: str,
        number: int,
        *,
        name: str,
        label: str,
        split: Split,
        metrics: Mapping[str, float] | None,
        fields: Mapping[str, Any] = MappingProxyType({}),
        reason: str | None = None,
    ) -> None:
        """Add a baseline, scored or failed; of two of a number and split the first stays.

        Raises:
            ValueError: It has both metrics and a reason why there are none, or neither; a metric
                is not finite, or ``fields`` is not plain JSON data.
        """
        if (metrics is None) is (reason is None):
            raise ValueError(f"baseline {number} needs metrics, or a reason why it has none")
        row = {
            "sweep_id": self._sweep_id(sweep),
            "number": number,
            "split": split,
            "name": name,
            "label": storable_text(label),
            "fields": plain_json(fields),
            "metrics": metrics and finite(metrics, of=f"baseline {number} of sweep {sweep!r}"),
            "reason": storable_text(reason),
            "recorded_at": self._clock(),
            "mirrored": False,
        }
        self._insert(schema.baselines, row)

    def baselines(self, sweep: str) -> tuple[BaselineRecord, ...]:
        """Return the baselines of a sweep by number and split."""
        with self._reading() as connection:
            which = schema.baselines.c.sweep_id == find_sweep(connection, sweep).id
            return read_baselines(connection, which)

    # Trials

    def add_trial(
        self,
        sweep: str,
        number: int,
        *,
        config: Mapping[str, Any],
        sampled: Mapping[str, Any],
        control: bool,
        last_epoch: int | None = None,
        drawn: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a RUNNING trial; the same one again changes nothing.

        Raises:
            ValueError: The number is taken by a trial with other content, or ``config``,
                ``sampled`` or ``drawn`` is not plain JSON data.
        """
        content = {
            "config": plain_json(config),
            "sampled": plain_json(sampled),
            "control": control,
            "last_epoch": last_epoch,
        }
        sweep_id = self._sweep_id(sweep)
        row = {
            "sweep_id": sweep_id,
            "number": number,
            "state": _RUNNING,
            "started_at": self._clock(),
            "drawn": None if drawn is None else plain_json(drawn),
            **content,
        }
        if not self._insert(schema.trials, row):
            there = self._trial(sweep_id, number)
            if any(getattr(there, key) != value for key, value in content.items()):
                raise ValueError(f"trial {number} of sweep {sweep!r} exists with other content")

    def finish_trial(
        self, sweep: str, number: int, state: TrialState, reason: str | None = None
    ) -> None:
        """Set the state that a trial ended in; the same state again changes nothing.

        Raises:
            ValueError: There is no such trial, it ended in another state, or ``state`` is RUNNING.
        """
        if state is TrialState.RUNNING:
            raise ValueError("a trial cannot finish as RUNNING")
        sweep_id = self._sweep_id(sweep)
        with self._writing() as connection:
            result = connection.execute(
                update(schema.trials)
                .where(_is_trial(sweep_id, number), _TRIALS.state == _RUNNING)
                .values(state=state.value, reason=storable_text(reason), finished_at=self._clock())
            )
        if result.rowcount == 0 and (there := self._trial(sweep_id, number)).state != state.value:
            raise ValueError(f"trial {number} of sweep {sweep!r} is {there.state}, not {state}")

    def trials(self, sweep: str) -> tuple[TrialRecord, ...]:
        """Return the trials of a sweep by number."""
        with self._reading() as connection:
            return read_trials(connection, _TRIALS.sweep_id == find_sweep(connection, sweep).id)

    # Replicates

    def add_replicate(
        self,
        sweep: str,
        number: int,
        *,
        seed: int,
        purpose: Purpose = Purpose.SEARCH,
        attempt: int = 0,
    ) -> None:
        """Add a RUNNING attempt at a replicate of a trial; the same one again changes nothing.

        What was LOST is RUNNING again: the replicate, and the trial where this is its first run.

        Raises:
            ValueError: There is no such trial.
        """
        sweep_id = self._sweep_id(sweep)
        key = {"sweep_id": sweep_id, "number": number, "seed": seed}
        row = {**key, "state": _RUNNING, "started_at": self._clock()}
        with self.together():
            first = self._is_first(sweep_id, number, seed)
            self._insert(schema.replicates, {**row, "purpose": purpose.value})
            if self._insert(schema.attempts, {**row, "attempt": attempt}):
                self._revive(schema.replicates, _is_run(sweep_id, number, seed))
                if first:
                    self._revive(schema.trials, _is_trial(sweep_id, number))

    def _is_first(self, sweep_id: int, number: int, seed: int) -> bool:
        """Whether a run is the first of its trial, which has its state from it."""
        return bool(self._trial(sweep_id, number).config.get("seed") == seed)

    def _revive(self, table: Table, which: ColumnElement[bool]) -> None:
        lost = table.c.state == TrialState.LOST.value
        changes = {"state": _RUNNING, "reason": None, "finished_at": None}
        with self._writing() as connection:
            connection.execute(update(table).where(which, lost).values(changes))

    def finish_replicate(
        self,
        sweep: str,
        number: int,
        *,
        seed: int,
        state: TrialState,
        reason: str | None = None,
        kind: str | None = None,
        traceback: str | None = None,
        node: str | None = None,
    ) -> None:
        """Set the state that a replicate, and its attempt, ended in; what has ended stays so.

        Where it is the first run of its trial, the trial ends likewise.

        Args:
            sweep: Name of the sweep.
            number: The trial's.
            seed: Of the run.
            state: How it ended.
            reason: Why, in one line, where it did not complete.
            kind: Kind of failure.
            traceback: The stack of an error.
            node: The machine that it ran on.

        Raises:
            ValueError: ``state`` is RUNNING, or there is no such trial.
        """
        if state is TrialState.RUNNING:
            raise ValueError("a replicate cannot finish as RUNNING")
        changes = {
            "state": state.value,
            "reason": storable_text(reason),
            "finished_at": self._clock(),
        }
        told = {
            "kind": kind,
            "traceback": storable_text(traceback),
            "node": storable_text(node),
        }
        sweep_id = self._sweep_id(sweep)
        rows = [
            (schema.replicates, _is_run(sweep_id, number, seed), changes),
            (schema.attempts, _is_run(sweep_id, number, seed, of=schema.attempts), changes | told),
        ]
        if self._is_first(sweep_id, number, seed):
            rows.append((schema.trials, _is_trial(sweep_id, number), changes))
        with self._writing() as connection:
            for table, which, values in rows:
                running = table.c.state == _RUNNING
                connection.execute(update(table).where(which, running).values(values))

    def lose_running(self, sweep: str, *, reason: str) -> None:
        """Set all trials, replicates and attempts of a sweep LOST that are RUNNING."""
        lost = {"state": TrialState.LOST.value, "reason": reason, "finished_at": self._clock()}
        with self._writing() as connection:
            sweep_id = find_sweep(connection, sweep).id
            for table in (schema.attempts, schema.replicates, schema.trials):
                running = and_(table.c.sweep_id == sweep_id, table.c.state == _RUNNING)
                connection.execute(update(table).where(running).values(lost))

    def replicates(self, sweep: str) -> tuple[ReplicateRecord, ...]:
        """Return the replicates of a sweep by number, in the order in which they started."""
        with self._reading() as connection:
            which = _REPLICATES.sweep_id == find_sweep(connection, sweep).id
            return read_replicates(connection, which)

    def tried(self, sweep: str, number: int, *, seed: int) -> tuple[int, tuple[int, ...]]:
        """Return how many attempts at a replicate there were, and the epochs that they measured."""
        with self._reading() as connection:
            sweep_id = find_sweep(connection, sweep).id
            attempts = _is_run(sweep_id, number, seed, of=schema.attempts)
            count = len(read_attempts(connection, attempts))
            measured = _is_run(sweep_id, number, seed, of=schema.measurements)
            found = read_measurements(connection, measured)
        return count, tuple(each.epoch for each in found)

    def attempts(self, sweep: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts at the replicates of a sweep by number, seed and attempt."""
        with self._reading() as connection:
            which = schema.attempts.c.sweep_id == find_sweep(connection, sweep).id
            return read_attempts(connection, which)

    # Measurements

    def record_measurement(
        self,
        sweep: str,
        number: int,
        *,
        epoch: int,
        seed: int,
        split: Split,
        metrics: Mapping[str, float],
    ) -> None:
        """Add a measurement; of two for the same trial, epoch, seed and split the first stays.

        Raises:
            ValueError: A metric is not finite, or there is no such trial.
        """
        sweep_id = self._sweep_id(sweep)
        row = {
            "sweep_id": sweep_id,
            "number": number,
            "epoch": epoch,
            "seed": seed,
            "split": split,
            "metrics": finite(metrics, of=f"trial {number} of sweep {sweep!r}"),
            "recorded_at": self._clock(),
            "mirrored": False,
        }
        if not self._insert(schema.measurements, row):
            # Either the measurement is there already, or its trial is not.
            self._trial(sweep_id, number)

    def measurements(self, sweep: str) -> tuple[MeasurementRecord, ...]:
        """Return the measurements of a sweep by number, epoch, seed and split."""
        with self._reading() as connection:
            which = _MEASUREMENTS.sweep_id == find_sweep(connection, sweep).id
            return read_measurements(connection, which)

    # Outbox

    def unmirrored(self, sweep: str) -> Outbox:
        """Return what has not been marked as mirrored."""
        with self._reading() as connection:
            return read_outbox(connection, find_sweep(connection, sweep).id)

    def mark_mirrored(self, sweep: str, outbox: Outbox) -> None:
        """Mark what is in the outbox, and nothing newer, as mirrored."""
        with self._writing() as connection:
            mark_outbox(connection, find_sweep(connection, sweep).id, outbox)

    # Rows

    def _insert(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Return False where a key of the row is taken, or the row it belongs to is missing."""
        try:
            with self._writing() as connection, connection.begin_nested():
                connection.execute(insert(table).values(row))
        except IntegrityError:
            return False
        return True

    def _writing(self) -> AbstractContextManager[Connection]:
        shared = getattr(self._shared, "connection", None)
        return nullcontext(shared) if shared is not None else self._engine.begin()

    def _reading(self) -> AbstractContextManager[Connection]:
        shared = getattr(self._shared, "connection", None)
        return nullcontext(shared) if shared is not None else self._engine.connect()

    def _sweep_id(self, name: str) -> int:
        with self._reading() as connection:
            return int(find_sweep(connection, name).id)

    def _trial(self, sweep_id: int, number: int) -> TrialRecord:
        with self._reading() as connection:
            found = read_trials(connection, _is_trial(sweep_id, number))
        if not found:
            raise ValueError(f"there is no trial {number}")
        return found[0]


def check_name(url: str, name: str) -> None:
    """Refuse at once a name that `Store.create_sweep` would refuse after long work.

    Args:
        url: Of the store; where there is none yet, every name is free.
        name: Of a sweep that is to be.

    Raises:
        InputError: The name is taken, or the store cannot be opened.
    """
    try:
        store = Store.open(url, create=False)
    except MissingStoreError:
        return
    with store:
        for sweep in store.sweeps():
            if sweep.name == name:
                raise _taken(name, sweep.state)


def _check_length(name: str) -> None:
    if len(name) > schema.NAME_LENGTH:
        raise InputError(f"{name!r} has more than {schema.NAME_LENGTH} characters", field="name")


def _taken(name: str, state: SweepState = SweepState.COMPLETE) -> InputError:
    unfinished = state is not SweepState.COMPLETE
    said = f" and is not finished ({state.value}): resume it, or" if unfinished else ":"
    return InputError(
        f"a sweep called {name!r} exists already{said} choose another name or home",
        field=("name", "home", "resume"),
    )


def open_store(url: str) -> Store:
    """Open a store that is there; see `Store.open`, which also makes one.

    Raises:
        InputError: It is not there, or cannot be opened; the message hides the password.
    """
    return Store.open(url, create=False)


def _is_run(
    sweep_id: int, number: int, seed: int, *, of: Table = schema.replicates
) -> ColumnElement[bool]:
    return and_(of.c.sweep_id == sweep_id, of.c.number == number, of.c.seed == seed)


def _is_trial(sweep_id: int, number: int) -> ColumnElement[bool]:
    return and_(_TRIALS.sweep_id == sweep_id, _TRIALS.number == number)
