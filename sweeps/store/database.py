"""Database of the store, opened from a URL, whatever may be wrong with the URL."""

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url
from sqlalchemy import text as sql
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from objectives import InputError
from sweeps.store.faults import fault_reason
from sweeps.store.journal import choose_journal
from sweeps.store.redaction import redacted
from sweeps.store.schema import REVISION, VERSION_TABLE

__all__ = ["MissingStoreError", "is_database_url", "open_database"]

# Seconds (the last: milliseconds) to wait for SQLite's write lock, for a server, and for a server
# that is gone without a word; the URL's own setting goes first.
_SERVER: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_TIMEOUTS: Final = {"pysqlite": {"timeout": 10}, "psycopg": _SERVER, "psycopg2": _SERVER}


class MissingStoreError(InputError):
    """Absence of a store where one was looked for."""


def open_database(text: str, *, create: bool) -> Engine:
    """Return an engine for the database, its schema brought to the newest.

    Args:
        text: A SQLAlchemy URL; SQLite's must name a file.
        create: Whether to make what is missing: a SQLite file with its folder, the tables.

    Raises:
        MissingStoreError: Nothing is there, and ``create`` is False.
        InputError: It cannot be opened.
    """
    if not is_database_url(text):
        raise InputError(
            f"store: {redacted(text)!r} is not a database URL such as sqlite:///sweeps.db"
        )
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url, create=create)
    shown = redacted(text).partition("?")[0]
    try:
        engine = _connect(url)
        try:
            found = _is_newest(engine) or _migrate(engine, shown, create=create)
        except BaseException:
            engine.dispose()
            raise
    except (SQLAlchemyError, ImportError, TypeError) as error:
        raise InputError(f"store: cannot open {shown}: {redacted(fault_reason(error))}") from error
    if not found:
        engine.dispose()
        raise MissingStoreError(f"no sweeps yet: {shown} has no tables")
    return engine


def is_database_url(text: str) -> bool:
    """Whether SQLAlchemy can read it as a URL."""
    try:
        make_url(text)
    except (ArgumentError, ValueError):
        return False
    return True


def _is_newest(engine: Engine) -> bool:
    if not inspect(engine).has_table(VERSION_TABLE):
        return False
    with engine.connect() as connection:
        query = sql(f"SELECT version_num FROM {VERSION_TABLE}")
        return connection.scalars(query).all() == [REVISION]


def _migrate(engine: Engine, shown: str, *, create: bool) -> bool:
    """Bring the schema to the newest; return whether there is one now."""
    from alembic.util import CommandError  # slow to import, and not needed most of the time

    from sweeps.store.migrations import migrate

    try:
        return migrate(engine, create=create)
    except CommandError as error:
        raise InputError(
            f"store: {shown} is from another version of sweeps than this one: {error}"
        ) from error


def _prepare_file(url: URL, *, create: bool) -> None:
    """Make the folder of a SQLite file, or check that the file exists."""
    if not url.database or url.database.startswith((":memory:", "file:")):
        # In memory each thread would have a database of its own.
        raise InputError(
            f"store: SQLite needs a file, such as sqlite:///sweeps.db, not {url.database or ''!r}"
        )
    path = Path(url.database)
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"store: cannot make the folder {path.parent}: {error.strerror}"
            ) from error
    elif not os.path.exists(path):  # noqa: PTH110  (False, too, of a name that is too long)
        raise MissingStoreError(f"no sweeps yet: {path} does not exist")


def _connect(url: URL) -> Engine:
    if url.get_dialect().is_async:
        raise ArgumentError("its driver is asynchronous")
    timeouts = _TIMEOUTS.get(url.get_driver_name(), {})
    arguments = {key: value for key, value in timeouts.items() if key not in url.query}
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _enforce_foreign_keys)
        try:
            choose_journal(engine, Path(url.database or "").resolve())
        except BaseException:
            engine.dispose()
            raise
    return engine


def _enforce_foreign_keys(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
