"""Sweeps archived, renamed and deleted, on every backend."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select

from objectives import InputError
from sweeps.store import Store, SweepState, TrialState, schema

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url, clock=Clock()) as opened:
        for name in ("birds", "cars"):
            fill(opened, name)
        yield opened


def fill(store: Store, name: str) -> None:
    """Add a sweep that has a row in every table."""
    store.create_sweep(name, spec={"name": name, "seed": 3}, provenance={"torch": "2"})
    store.record_baseline(name, 0, name="a", label="A", split="validation", metrics={"b": 1})
    for number in (0, 1):
        store.add_trial(name, number, config={"seed": 0}, sampled={}, control=False)
        for attempt in (0, 1):
            store.add_replicate(name, number, seed=0, attempt=attempt)
            store.finish_replicate(name, number, seed=0, state=TrialState.LOST)
        store.record_measurement(
            name, number, epoch=1, seed=0, split="validation", metrics={"b": 0.5}
        )
    store.finish_sweep(name, SweepState.PAUSED)


def content(store: Store, name: str) -> tuple[Any, ...]:
    rows = (store.trials, store.replicates, store.attempts, store.measurements, store.baselines)
    return tuple(read(name) for read in rows)


def counts(url: str) -> dict[str, int]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in schema.metadata.tables.items()
        }
    engine.dispose()
    return found


# Archived


def test_an_archived_sweep_is_as_it_was_until_it_is_brought_back(store: Store) -> None:
    before = store.sweep("birds")
    assert before.archived_at is None
    store.archive_sweep("birds", undo=True)
    assert store.sweep("birds") == before
    store.archive_sweep("birds")
    when = store.sweep("birds").archived_at
    assert when is not None
    assert when > NOW
    store.archive_sweep("birds")
    assert store.sweep("birds").archived_at == when
    assert [sweep.archived_at for sweep in store.sweeps()] == [when, None]
    store.finish_trial("birds", 0, TrialState.LOST)
    store.archive_sweep("birds", undo=True)
    assert store.sweep("birds") == before


# Renamed


def test_a_renamed_sweep_has_all_that_it_had(store: Store) -> None:
    before, rows = store.sweep("birds"), content(store, "birds")
    store.rename_sweep("birds", "owls")
    after = store.sweep("owls")
    assert after.spec == {"name": "owls", "seed": 3}
    assert (after.created_at, after.provenance) == (before.created_at, before.provenance)
    assert content(store, "owls") == rows
    assert [sweep.name for sweep in store.sweeps()] == ["owls", "cars"]
    with pytest.raises(InputError, match="'birds'; there are: owls, cars"):
        store.sweep("birds")


def test_a_taken_name_is_refused_and_nothing_changes(store: Store) -> None:
    before = store.sweeps()
    with pytest.raises(InputError, match="'cars' exists already: choose another name"):
        store.rename_sweep("birds", "cars")
    assert store.sweeps() == before


def test_what_else_is_written_with_a_refused_name_stays(store: Store) -> None:
    with store.together():
        store.archive_sweep("birds")
        with pytest.raises(InputError, match="exists already"):
            store.rename_sweep("birds", "cars")
    assert store.sweep("birds").archived_at is not None


def test_a_long_name_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="more than 200"):
        store.rename_sweep("birds", "x" * 201)


# Deleted


def test_all_of_a_deleted_sweep_goes_and_nothing_of_another(url: str, store: Store) -> None:
    rows, before = content(store, "cars"), counts(url)
    assert min(before.values()) >= 2
    store.delete_sweep("birds")
    assert counts(url) == {name: count // 2 for name, count in before.items()}
    assert content(store, "cars") == rows
    assert [sweep.name for sweep in store.sweeps()] == ["cars"]
    fill(store, "birds")
    assert content(store, "cars") == rows


def test_a_deletion_is_whole_or_not_at_all(url: str, store: Store) -> None:
    before = counts(url)

    def deleted() -> None:
        with store.together():
            store.delete_sweep("birds")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        deleted()
    assert counts(url) == before


def test_a_sweep_that_is_not_there(store: Store) -> None:
    for call in (store.archive_sweep, store.delete_sweep, lambda x: store.rename_sweep(x, "y")):
        with pytest.raises(InputError, match="no sweep called 'owls'; there are: birds, cars"):
            call("owls")


def test_its_driver_of_before_is_told(store: Store) -> None:
    before = store.sweep("birds")
    assert store.take_sweep("birds", "one", instead_of=before)
    store.rename_sweep("birds", "owls")
    assert store.sweep("owls").driver == "one"
    assert not store.renew_driver("birds", "one")
    assert not store.take_sweep("birds", "two", instead_of=before)
    store.leave_sweep("birds", "one")
    assert store.sweep("owls").driver == "one"
