"""Database of the store, opened from a URL, whatever may be wrong with the URL."""

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url
from sqlalchemy import text as sql
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from objectives import InputError
from sweeps.store.redaction import redacted
from sweeps.store.schema import REVISION, VERSION_TABLE

__all__ = ["MissingStoreError", "open_database"]

# Seconds to wait for SQLite's write lock and for a server; the URL's own setting goes first.
_TIMEOUTS: Final = {
    "pysqlite": {"timeout": 30},
    "psycopg": {"connect_timeout": 10},
    "psycopg2": {"connect_timeout": 10},
}


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
    url = _parse(text)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url, create=create)
    shown = redacted(url.set(query={}).render_as_string(hide_password=True))
    try:
        engine = _connect(url)
        try:
            found = _is_newest(engine) or _migrate(engine, shown, create=create)
        except BaseException:
            engine.dispose()
            raise
    except (SQLAlchemyError, ImportError, TypeError) as error:
        raise InputError(f"store: cannot open {shown}: {redacted(_reason(error))}") from error
    if not found:
        engine.dispose()
        raise MissingStoreError(f"no sweeps yet: {shown} has no tables")
    return engine


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


def _parse(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # What cannot be parsed may still hold a password, before its last @.
        shown = re.sub(r"^.*@", "***@", text, flags=re.DOTALL)
        raise InputError(
            f"store: {shown!r} is not a database URL such as sqlite:///sweeps.db"
        ) from None


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
    elif not path.exists():
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
            _use_write_ahead_log(engine, tries=20)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _use_write_ahead_log(engine: Engine, *, tries: int) -> None:
    """Let readers and the writer not wait for one another; the file keeps the setting.

    Of two that open a new file together SQLite refuses one at once, whatever the timeout. That one
    waits for the other here, by asking for the lock that does heed the timeout, and tries again.
    """
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError:
            if tries == 1:
                raise
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            return
    _use_write_ahead_log(engine, tries=tries - 1)


def _enforce_foreign_keys(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _reason(error: Exception) -> str:
    """Return the first line of what the driver, or Python, says."""
    if isinstance(error, ImportError):
        return f"its driver is not installed ({error})"
    if isinstance(error, NoSuchModuleError):
        return "there is no database of that kind"
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]
