"""Writes through the queue while a real store is locked, full, restarting or gone."""

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.pool import ConnectionPoolEntry

from objectives import InputError
from sweeps.store import Store, SweepState, TrialState, WriteQueue, is_operational
from sweeps.store.database import open_database
from tests.sweeps.postgresql import PostgresqlServer, new_schema

from .factories import Time, fault


def opened(url: str) -> tuple[Store, Engine]:
    engine = open_database(url, create=True)
    return Store(engine), engine


def begin(store: Store) -> None:
    store.create_sweep("birds", spec={}, provenance={})


def hand_over(queue: WriteQueue, store: Store, numbers: range, reason: str = "") -> None:
    """A trial of one run with one measurement for each number."""
    for number in numbers:
        queue.write(store.add_trial, "birds", number, config={}, sampled={}, control=False)
        queue.write(store.add_replicate, "birds", number, seed=0)
        queue.write(
            store.record_measurement,
            "birds",
            number,
            epoch=1,
            seed=0,
            split="validation",
            metrics={"opis": number / 10},
        )
        queue.write(
            store.finish_replicate,
            "birds",
            number,
            seed=0,
            state=TrialState.FAILED,
            reason=reason,
        )
        queue.write(store.finish_trial, "birds", number, TrialState.FAILED, reason)


def assert_all_there(store: Store, count: int) -> None:
    trials, measured = store.trials("birds"), store.measurements("birds")
    assert [trial.number for trial in trials] == list(range(count))
    assert {trial.state for trial in trials} == {TrialState.FAILED}
    assert [(m.number, m.metrics["opis"]) for m in measured] == [(n, n / 10) for n in range(count)]
    starts = [each.started_at for each in store.replicates("birds")]
    assert starts == sorted(starts)


def test_postgresql_restarted_in_mid_sweep(
    postgresql_server: PostgresqlServer, queue: WriteQueue
) -> None:
    with new_schema(postgresql_server.url) as url:
        store, _ = opened(url)
        begin(store)
        hand_over(queue, store, range(3))
        assert (queue.pending, queue.trouble) == (0, None)
        postgresql_server.stop("immediate")
        hand_over(queue, store, range(3, 6))
        assert queue.pending == 15
        assert not queue.flush(10)
        said = queue.trouble or ""
        assert "refused" in said
        assert str(make_url(url).password) not in said
        postgresql_server.start()
        assert queue.flush(60)
        hand_over(queue, store, range(6, 8))
        assert (queue.pending, queue.trouble) == (0, None)
        assert_all_there(store, 8)
        store.close()


def test_postgresql_lost_between_a_write_and_its_commit(
    postgresql_server: PostgresqlServer, queue: WriteQueue, time: Time
) -> None:
    with new_schema(postgresql_server.url) as url:
        store, engine = opened(url)
        begin(store)
        hand_over(queue, store, range(1))

        def lose(_: Connection) -> None:
            postgresql_server.stop("immediate")

        event.listen(engine, "commit", lose, once=True)
        hand_over(queue, store, range(1, 3))
        assert queue.pending == 10
        time.woken = postgresql_server.start
        assert queue.flush(60)
        assert_all_there(store, 3)
        store.close()


def test_a_write_whose_answer_was_lost_is_in_the_store_once(url: str, queue: WriteQueue) -> None:
    store, _ = opened(url)
    begin(store)
    lost: list[object] = []

    def unheard(method: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        method(*args, **kwargs)
        if method not in lost:
            lost.append(method)
            raise fault("the connection was lost")

    class Unheard(WriteQueue):
        def write(self, action: Callable[..., object], *args: Any, **kwargs: Any) -> None:
            queue.write(unheard, action, *args, **kwargs)
            assert queue.flush(1)

    hand_over(Unheard(), store, range(2))
    queue.write(unheard, store.finish_sweep, "birds", SweepState.COMPLETE)
    assert len(lost) == 6
    assert queue.flush(1)
    assert store.sweep("birds").state is SweepState.COMPLETE
    assert_all_there(store, 2)
    store.close()


def test_conflicts_of_a_real_store_are_raised(url: str, queue: WriteQueue) -> None:
    store, _ = opened(url)
    begin(store)
    hand_over(queue, store, range(1))
    with pytest.raises(ValueError, match="exists with other content"):
        queue.write(store.add_trial, "birds", 0, config={}, sampled={}, control=True)
    with pytest.raises(ValueError, match="is FAILED, not COMPLETE"):
        queue.write(store.finish_trial, "birds", 0, TrialState.COMPLETE)
    with pytest.raises(ValueError, match="no trial 9"):
        queue.write(store.add_replicate, "birds", 9, seed=0)
    with pytest.raises(InputError, match="no sweep called"):
        queue.write(store.finish_sweep, "absent", SweepState.COMPLETE)
    assert (queue.pending, queue.trouble) == (0, None)
    store.close()


def test_a_missing_table_is_raised(url: str, queue: WriteQueue) -> None:
    store, engine = opened(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE sweep_measurements"))
    begin(store)
    with pytest.raises(Exception, match="sweep_measurements") as caught:
        hand_over(queue, store, range(1))
    assert not is_operational(caught.value)
    store.close()


def test_locked_file(tmp_path: Path, queue: WriteQueue) -> None:
    store, _ = opened(f"sqlite:///{tmp_path}/sweeps.db?timeout=0.01")
    begin(store)
    holder = sqlite3.connect(tmp_path / "sweeps.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    hand_over(queue, store, range(2))
    assert queue.trouble == "the store takes no writes: database is locked"
    assert not queue.flush(5)
    holder.execute("COMMIT")
    holder.close()
    assert queue.flush(60)
    assert_all_there(store, 2)
    store.close()


def test_file_that_may_not_grow(tmp_path: Path, queue: WriteQueue) -> None:
    store, engine = opened(f"sqlite:///{tmp_path}/sweeps.db")
    begin(store)
    limit = ["PRAGMA max_page_count = 1"]  # no less than it has

    @event.listens_for(engine, "checkout")
    def limited(connection: Any, _entry: ConnectionPoolEntry, _proxy: object) -> None:
        connection.execute(limit[0])

    hand_over(queue, store, range(10), reason="x" * 10_000)
    assert queue.trouble == "the store takes no writes: database or disk is full"
    assert queue.pending
    limit[0] = "PRAGMA max_page_count = 100000"
    assert queue.flush(60)
    assert_all_there(store, 10)
    store.close()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Take what room there is, to the last page."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_full_disk(tmp_path: Path, queue: WriteQueue) -> None:
    with small_disk(tmp_path):
        store, _ = opened(f"sqlite:///{tmp_path}/sweeps.db")
        begin(store)
        fill(tmp_path / "filler")
        hand_over(queue, store, range(10), reason="x" * 10_000)
        assert queue.pending
        assert "disk" in (queue.trouble or "")
        (tmp_path / "filler").unlink()
        assert queue.flush(60)
        assert_all_there(store, 10)
        store.close()
