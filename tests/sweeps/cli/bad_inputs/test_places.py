"""Homes, stores, addresses and options that lead nowhere."""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import pytest

from sweeps.store.schema import VERSION_TABLE
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

from .refusal import Case, cases, check_refused

Arguments = Callable[[Place], Sequence[object]]
LATIN = os.fsdecode(b"h\xff")


def told(*arguments: object) -> Arguments:
    return lambda _: arguments


def garbage(*arguments: object) -> Arguments:
    """Return a command beside ``bad``, a home whose databases are none."""

    def make(place: Place) -> Sequence[object]:
        place.make("bad")
        for name in ("sweeps.db", "mlflow.db"):
            (place.folder / "bad" / name).write_bytes(b"no database" * 500)
        return arguments

    return make


def folders(*arguments: object) -> Arguments:
    """Return a command beside ``bad``, a home whose databases are folders."""

    def make(place: Place) -> Sequence[object]:
        for name in ("sweeps.db", "mlflow.db"):
            (place.folder / "bad" / name).mkdir(parents=True)
        return arguments

    return make


def foreign(*arguments: object) -> Arguments:
    """Return a command beside ``bad``, a home whose store is another version's."""

    def make(place: Place) -> Sequence[object]:
        place.make("bad")
        with sqlite3.connect(place.folder / "bad" / "sweeps.db") as database:
            database.execute(f"CREATE TABLE {VERSION_TABLE} (version_num TEXT)")
            database.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('ffff')")
        database.close()
        return arguments

    return make


BAD_HOME = ["--home", "bad"]
HOME = ["--home", "home"]
RUN = ["run", "good.yaml"]
BAD: list[Case] = [
    ("a home of garbage: list", garbage("list", *BAD_HOME), "bad/sweeps.db: file is not a databas"),
    ("status", garbage("status", "tiny", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("front", garbage("front", "tiny", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("export", garbage("export", "tiny", "-o", "m", *BAD_HOME), "bad/sweeps.db: file is not a dat"),
    ("confirm", garbage("confirm", "tiny", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("replay", garbage("replay", "tiny", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("archive", garbage("archive", "tiny", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("rename", garbage("rename", "tiny", "a", *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("delete", garbage("delete", "tiny", "--yes", *BAD_HOME), "bad/sweeps.db: file is not a data"),
    ("run", garbage(*RUN, *BAD_HOME), "bad/sweeps.db: file is not a database"),
    ("a home of folders: list", folders("list", *BAD_HOME), "bad/sweeps.db: unable to open"),
    ("a home of folders: run", folders(*RUN, *BAD_HOME), "bad/sweeps.db: unable to open"),
    ("another version's store", foreign("list", *BAD_HOME), "is from another version of sweeps"),
    ("another version's: run", foreign(*RUN, *BAD_HOME), "is from another version of sweeps"),
    ("a home that is a file", told("list", "--home", "good.yaml"), "good.yaml/sweeps.db"),
    ("a home of a question", told("list", "--home", "a?b"), "--home: a?b has a '?'"),
    ("a home of long name", told("list", "--home", "x" * 300), "xxx"),
    ("a run in it", told(*RUN, "--home", "x" * 300), "xxx"),
    ("a home not in UTF-8", told("list", "--home", LATIN), "--home: h\\udcff is not UTF-8"),
    ("a run in that", told(*RUN, "--home", LATIN), "--home: h\\udcff is not UTF-8"),
    ("ui of that", told("ui", "--home", LATIN), "--home: h\\udcff is not UTF-8"),
    ("an empty store", told("list", "--store", ""), "s"),
    ("a store in memory", told("list", "--store", "sqlite://"), "store: SQLite needs a file, such"),
    ("of an unknown kind", told("list", "--store", "x://y/z"), "store: cannot open x://y/z: there"),
    ("of an odd port", told("list", "--store", "postgresql://h:x/d"), "is not a database URL"),
    (
        "of a port beyond",
        told("list", "--store", "postgresql://127.0.0.1:99999/d"),
        "store: cannot",
    ),
    ("a folder", told("list", "--store", "sqlite:////tmp"), "store: cannot open sqlite:////tmp"),
    ("a null byte", told("list", "--store", "sqlite:///a\0b"), "a\\x00b"),
    ("a text", told("list", "--store", "sqlite:///good.yaml"), "store: cannot open sqlite:///good"),
    ("an odd tracker", told(*RUN, "--tracking-uri", "a b"), "--tracking-uri (MLFLOW_TRACKING_URI)"),
    ("an unknown sweep", told("front", "a\x1b[2J\n", *HOME), "a\\x1b[2J\\n"),
    ("a sweep that is a path", told("status", "../tiny", *HOME), "../tiny"),
    ("a sweep of no name", told("status", "", *HOME), "''"),
    ("a long sweep", told("status", "x" * 300, *HOME), "xxx"),
    ("confirm of nothing", told("confirm", "tony", *HOME), "tony"),
    ("replay of nothing", told("replay", "tony", *HOME), "tony"),
    (
        "a new name of control",
        told("rename", "tiny", "a\x1b[2J\n", *HOME),
        "must begin with a lett",
    ),
    ("a deletion of a path", told("delete", "../tiny", "--yes", *HOME), "../tiny"),
    (
        "an odd tracker: delete",
        told("delete", "tiny", "--yes", *HOME, "--tracking-uri", "a"),
        "--tr",
    ),
    ("a pick of nothing", told("export", "tiny", "-o", "m", "--pick", "x\n", *HOME), "tiny"),
    ("an export of long name", told(*RUN, "-o", "x" * 300), "--export: xxx"),
    ("a front of long name", told("front", "tiny", "--output", "x" * 300, *HOME), "--output: xxx"),
    (
        "a cache that is a file",
        told(*RUN, "--name", "../x"),
        "--name: name: '../x' must begin with",
    ),
]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield int(listener.getsockname()[1])


@cases(BAD)
def test_bad_places(command: Command, stored: Place, arguments: Arguments, said: str) -> None:
    check_refused(command, arguments(stored), said)


def test_a_server_that_does_not_answer(command: Command, place: Place, taken: int) -> None:
    del place
    store = f"postgresql+psycopg://me:S3cret@127.0.0.1:{taken}/db?connect_timeout=1"
    check_refused(command, ["list", "--store", store], "store: cannot open postgresql+psycopg://me")


def test_a_cache_that_is_a_file(command: Command, place: Place) -> None:
    folder = place.images("photos")
    spec = place.spec(data={"folder": str(folder)})
    check_refused(command, ["run", spec, "--cache", "good.yaml"], "good.yaml: cannot be written to")


@pytest.mark.parametrize("host", ["127.0.0.1", "no..host", "x" * 300])
def test_a_port_beyond_ports(command: Command, place: Place, host: str) -> None:
    place.make(".sweeps")
    (place.folder / ".sweeps" / "mlflow.db").touch()
    check_refused(command, ["ui", "--port", "99999", "--host", host], "--port: cannot listen on ")
