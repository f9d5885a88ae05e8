import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from sweeps.store import is_operational
from sweeps.store.database import open_database

from .factories import fault


def met(url: str, statements: Iterable[str]) -> DBAPIError:
    """Return the error that the statements end in."""
    engine = open_database(url, create=True)
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    except DBAPIError as error:
        return error
    finally:
        engine.dispose()
    raise AssertionError("there was none")


@pytest.mark.parametrize(
    ("statements", "passes"),
    [
        (["PRAGMA query_only = 1", "CREATE TABLE more (x)"], True),
        (["SELECT * FROM missing"], False),
        (["SELEC"], False),
        (["INSERT INTO sweeps (id) VALUES (1)"], False),
    ],
)
def test_faults_of_sqlite(statements: list[str], passes: bool, tmp_path: Path) -> None:
    assert passes is is_operational(met(f"sqlite:///{tmp_path}/sweeps.db", statements))


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        (sqlite3.SQLITE_IOERR_SHMMAP, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_CORRUPT, False),
        (None, False),
    ],
)
def test_codes_of_sqlite(code: int | None, passes: bool) -> None:
    error = fault()
    assert isinstance(error.orig, sqlite3.Error)
    if code is None:
        del error.orig.sqlite_errorcode
    else:
        error.orig.sqlite_errorcode = code
    assert is_operational(error) is passes


def test_a_file_that_cannot_be_opened_may_come_back(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/absent/sweeps.db")
    with pytest.raises(OperationalError, match="unable to open") as caught:
        engine.connect()
    assert is_operational(caught.value)


@pytest.mark.parametrize(
    ("statement", "passes"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SET transaction_read_only = on; CREATE TABLE more (x int)", True),
        ("DO $$ BEGIN RAISE disk_full; END $$", True),
        ("DO $$ BEGIN RAISE cannot_connect_now; END $$", True),
        ("DO $$ BEGIN RAISE serialization_failure; END $$", True),
        ("DO $$ BEGIN RAISE statement_too_complex; END $$", False),
        ("SELECT * FROM missing", False),
        ("SELEC", False),
        ("INSERT INTO sweeps (id) VALUES (1)", False),
    ],
)
def test_faults_of_postgresql(statement: str, passes: bool, postgresql_url: str) -> None:
    assert passes is is_operational(met(postgresql_url, [statement]))


def test_other_errors_do_not_pass() -> None:
    assert is_operational(NoConnection("no connection was free"))
    assert not is_operational(ValueError("database is locked"))
    assert not is_operational(sqlite3.OperationalError("database is locked"))
