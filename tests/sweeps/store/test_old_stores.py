"""Stores as earlier versions left them: each is opened, brought to the newest schema, and read.

The files are SQLite's; on PostgreSQL their rows stand in tables that migrations made up to there.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, create_engine, select

from objectives import get_objective
from sweeps.results import ranked_trials
from sweeps.store import Purpose, Store, SweepState, TrialState, open_store
from sweeps.store.database import open_database
from sweeps.store.migrations import alembic_config, current_revision
from sweeps.store.schema import REVISION, VERSION_TABLE

FILES = Path(__file__).parent / "files"


@pytest.fixture(params=["0001", "0002", "0003", "0004", "0005"])
def old(request: pytest.FixtureRequest) -> str:
    """Give the revision of a store of before."""
    return str(request.param)


@pytest.fixture
def url(old: str, url: str, tmp_path: Path) -> str:
    file = tmp_path / "sweeps.db"
    shutil.copy(FILES / f"sweeps_{old}.db", file)
    if url.startswith("postgresql"):
        copy(f"sqlite:///{file}", url, old)
    return url


def copy(file: str, url: str, old: str) -> None:
    source, target = create_engine(file), create_engine(url)
    with source.connect() as reading, target.begin() as writing:
        command.upgrade(alembic_config(writing), old)
        copy_rows(reading, writing)
    source.dispose()
    target.dispose()


def copy_rows(reading: Connection, writing: Connection) -> None:
    tables, same = MetaData(), MetaData()
    tables.reflect(reading)
    same.reflect(writing)
    for table in same.sorted_tables:
        if table.name == VERSION_TABLE:
            continue
        for row in reading.execute(tables.tables[table.name].select()).mappings():
            values = {key: as_written(row[key]) for key in row if row[key] is not None}
            if table.name == "sweeps":
                del values["id"]  # counts itself, from 1 as it did
            writing.execute(table.insert().values(values))


def as_written(value: Any) -> Any:
    """SQLite drops the zone of a moment, which was UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def revision(url: str) -> str | None:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = current_revision(connection)
    engine.dispose()
    return found


def test_it_is_an_old_one_and_opening_renews_it(old: str, url: str) -> None:
    assert revision(url) == old
    open_store(url).close()
    assert revision(url) == REVISION


def test_what_it_held_is_there(store: Store) -> None:
    sweep, trials = store.sweep("demo"), store.trials("demo")
    assert sweep.state is SweepState.COMPLETE
    assert sweep.spec["space"]["loss"]["choices"] == [
        "smooth_ap",
        "multi_similarity",
        "contrastive",
    ]
    assert [trial.control for trial in trials] == [True, False, False, False]
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3 + [TrialState.FAILED]
    assert trials[3].reason == "the training loss is not finite at epoch 1"
    assert len(store.measurements("demo")) == 6


def test_what_is_new_is_filled_in(store: Store, old: str) -> None:
    assert [trial.last_epoch for trial in store.trials("demo")] == [6, 6, 6, 6]
    sweep = store.sweep("demo")
    assert sweep.recorded_objectives is None
    recall, opis = sweep.objectives
    assert (recall.name, recall.reference) == ("recall_at_1", 0.5)
    assert (opis.name, opis.reference) == ("opis", 0.02)
    assert opis.label == get_objective("opis").label
    baselines = store.baselines("demo")
    assert baselines == ranked_trials(store, "demo").baselines
    assert [each.name for each in baselines] == ["raw_pixels"] * (old >= "0003")


def test_each_trial_has_its_one_run(store: Store) -> None:
    runs = store.replicates("demo")
    assert [(run.number, run.seed) for run in runs] == [(n, 0) for n in range(4)]
    for run, trial in zip(runs, store.trials("demo"), strict=True):
        assert (run.state, run.reason) == (trial.state, trial.reason)
        assert (run.started_at, run.finished_at) == (trial.started_at, trial.finished_at)
        assert run.purpose is Purpose.SEARCH


@pytest.mark.parametrize("old", ["0005"], indirect=True)
def test_attempts_are_what_they_were(store: Store) -> None:
    sweep, [trial] = store.sweep("resumed"), store.trials("resumed")
    assert (sweep.state, sweep.driver) == (SweepState.PAUSED, "elsewhere:12:a start/1")
    assert sweep.archived_at is None
    assert (trial.state, trial.drawn) == (TrialState.FAILED, {"margin_positive": 0.8})
    attempts = [(each.state, each.kind, each.node) for each in store.attempts("resumed")]
    assert attempts == [
        (TrialState.LOST, "process died", "10.0.0.2"),
        (TrialState.FAILED, "error", "10.0.0.3"),
    ]
    assert store.attempts("resumed")[1].traceback is not None


@pytest.mark.parametrize("old", ["0004", "0005"], indirect=True)
def test_replicates_are_what_they_were(store: Store) -> None:
    replicates = {(each.number, each.seed): each for each in store.replicates("replicated")}
    purposes = {key: each.purpose for key, each in replicates.items()}
    search = {(0, 0), (1, 1), (1, 7), (1, 2**40)}
    assert {key for key, purpose in purposes.items() if purpose is Purpose.SEARCH} == search
    assert purposes[1, 11] is Purpose.REPORT
    assert purposes[1, 13] is purposes[1, 14] is Purpose.CONFIRM
    failed, running = replicates[1, 2**40], replicates[1, 14]
    assert (failed.state, failed.reason) == (
        TrialState.FAILED,
        "the training loss is not finite at epoch 2",
    )
    assert (running.state, running.finished_at) == (TrialState.RUNNING, None)
    measured = [(m.seed, m.epoch, m.split, m.purpose) for m in store.measurements("replicated")]
    assert measured[2:] == [
        (1, 1, "validation", Purpose.SEARCH),
        (1, 3, "validation", Purpose.SEARCH),
        (7, 3, "validation", Purpose.SEARCH),
        (11, 3, "validation", Purpose.REPORT),
        (13, 3, "test", Purpose.CONFIRM),
    ]


@pytest.mark.parametrize("old", ["0004"], indirect=True)
def test_what_ended_with_its_sweep_is_to_run_again(url: str) -> None:
    engine = create_engine(url)
    tables = MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        sweeps, trials = tables.tables["sweeps"], tables.tables["sweep_trials"]
        own = select(sweeps.c.id).where(sweeps.c.name == "replicated").scalar_subquery()
        for table in (trials, tables.tables["sweep_replicates"]):
            changes = {"state": "FAILED", "reason": "the sweep was interrupted"}
            which = (table.c.sweep_id == own) & (table.c.number == 1)
            connection.execute(table.update().where(which).values(changes))
    engine.dispose()
    with open_store(url) as store:
        assert store.trials("replicated")[1].state is TrialState.LOST
        runs = {run.number: run.state for run in store.replicates("replicated")}
        assert runs[1] is TrialState.LOST
        assert store.trials("demo")[3].state is TrialState.FAILED


def test_its_front_is_what_it_was(store: Store) -> None:
    ranked = ranked_trials(store, "demo")
    assert [(trial.number, trial.rank) for trial in ranked.trials] == [(1, 0), (2, 0), (0, 1)]
    assert ranked.hypervolume == pytest.approx(0.45 * 0.017 + 0.43 * 0.001)


def test_a_sweep_can_be_added(store: Store) -> None:
    pair = (get_objective("recall_at_1"), get_objective("map_at_r"))
    store.create_sweep("more", spec={}, provenance={}, objectives=pair)
    assert store.sweep("more").objectives == pair
    store.archive_sweep("more")
    assert [sweep.name for sweep in store.sweeps() if sweep.archived_at] == ["more"]
    store.record_baseline("more", 0, name="a", label="A", split="validation", metrics={"b": 1})
    assert [each.metrics for each in store.baselines("more")] == [{"b": 1.0}]


def test_it_can_be_taken_back(url: str) -> None:
    engine = open_database(url, create=False)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    query = "SELECT count(*) FROM sweep_measurements WHERE sweep_id = 1"
    with engine.connect() as connection:
        assert current_revision(connection) == "0001"
        count = connection.exec_driver_sql(query).scalar()
    engine.dispose()
    assert count == 6
    with open_store(url) as store:
        assert [trial.last_epoch for trial in store.trials("demo")] == [6, 6, 6, 6]
