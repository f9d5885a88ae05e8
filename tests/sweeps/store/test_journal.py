import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

from objectives import InputError
from sweeps.store import Store, TrialState, database
from sweeps.store.database import open_database
from sweeps.store.journal import choose_journal, network_file_system
from sweeps.store.migrations import migrate

LOCAL = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"
MOUNTS = f"""{LOCAL}
40 22 0:40 / /mnt/a\\040b rw shared:2 master:1 - nfs4 server:/home rw,vers=4.2
41 40 8:2 / /mnt/a\\040b/local rw - xfs /dev/sdb1 rw
42 22 0:42 / /cloud rw - fuse.rclone bucket: rw
43 22 8:3 / /stick rw - fuseblk /dev/sdc1 rw
44 22 0:44 / /twice rw - cifs //server/share rw
45 44 0:45 / /twice rw - tmpfs tmpfs rw
"""


def mode(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())


def over(mounts: Path, folder: Path) -> Path:
    """Write a list in which the folder is mounted from another machine."""
    mounts.write_text(f"{LOCAL}\n40 22 0:40 / {folder} rw - nfs4 server:/home rw\n")
    return mounts


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/home/sweeps.db", None),
        ("/mnt/a b/home/sweeps.db", "nfs4"),
        ("/mnt/a bc/sweeps.db", None),
        ("/mnt/a b/local/sweeps.db", None),
        ("/cloud/sweeps.db", "fuse.rclone"),
        ("/stick/sweeps.db", None),
        ("/twice/sweeps.db", None),
    ],
)
def test_the_innermost_mount_tells_whether_it_is_a_network(
    file: str, kind: str | None, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(file), mounts=mounts) == kind
    assert network_file_system(Path(file), mounts=tmp_path / "none") is None


def test_what_is_mounted_here_can_be_read(tmp_path: Path) -> None:
    network_file_system(tmp_path)


def test_over_a_network_the_file_has_a_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = over(tmp_path / "mountinfo", tmp_path / "home")
    monkeypatch.setattr(database, "choose_journal", partial(choose_journal, mounts=mounts))
    url = f"sqlite:///{tmp_path}/home/sweeps.db"
    for _ in range(2):
        engine = open_database(url, create=True)
        assert mode(engine) == "delete"
        write(Store(engine))
        engine.dispose()


def test_a_file_that_moves_to_a_network_leaves_its_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    with Store.open(url) as store:
        write(store)
    engine = create_engine(url)
    assert mode(engine) == "wal"
    choose_journal(engine, tmp_path / "sweeps.db", mounts=over(tmp_path / "m", tmp_path))
    assert mode(engine) == "delete"
    choose_journal(engine, tmp_path / "sweeps.db", mounts=tmp_path / "none")
    assert mode(engine) == "wal"
    engine.dispose()


def test_a_log_that_is_in_use_is_not_left(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    with Store.open(url) as store:
        write(store)
        engine = create_engine(url, connect_args={"timeout": 0})
        with pytest.raises(OperationalError, match="locked"):
            choose_journal(engine, tmp_path / "sweeps.db", mounts=over(tmp_path / "m", tmp_path))
        engine.dispose()
        write(store)


@pytest.fixture
def unshared(tmp_path: Path) -> Iterator[Engine]:
    """Give a file through a part of SQLite that, as over some networks, shares no memory."""
    target = f"file:{tmp_path}/sweeps.db?vfs=unix-dotfile"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(target, uri=True, check_same_thread=False)
    )
    yield engine
    engine.dispose()


def test_where_a_log_is_refused_the_store_works_without(unshared: Engine, tmp_path: Path) -> None:
    choose_journal(unshared, tmp_path / "sweeps.db", mounts=tmp_path / "none")
    assert mode(unshared) == "delete"
    migrate(unshared, create=True)
    write(Store(unshared))


def test_a_log_that_cannot_be_opened_is_left(unshared: Engine, tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as store:
        write(store)
    choose_journal(unshared, tmp_path / "sweeps.db", mounts=tmp_path / "none")
    assert mode(unshared) == "delete"
    write(Store(unshared))


def test_a_locked_new_file_is_refused_in_time(tmp_path: Path) -> None:
    file = tmp_path / "sweeps.db"
    holder = sqlite3.connect(file)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match=r"cannot open .*: database is locked"):
        open_database(f"sqlite:///{file}?timeout=0.05", create=True)
    holder.close()


def write(store: Store) -> None:
    """Write and read a sweep of one trial, which may be there."""
    if not store.sweeps():
        store.create_sweep("birds", spec={}, provenance={})
    store.add_trial("birds", 0, config={}, sampled={}, control=False)
    store.finish_trial("birds", 0, TrialState.COMPLETE)
    assert [trial.state for trial in store.trials("birds")] == [TrialState.COMPLETE]
