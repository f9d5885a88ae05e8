"""Faults of a database: which of them pass, and what its driver says of one."""

import sqlite3
from typing import Final

from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError

__all__ = ["fault_reason", "is_operational", "sqlite_code"]

# SQLite's driver calls a table that is not there operational, too; its codes tell them apart.
_SQLITE_PASSES: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
# A standby that has not taken over yet, which psycopg does not count as operational.
_READ_ONLY_SERVER: Final = "25006"
# A statement or a value that is too large stays so.
_LIMITS: Final = "54"


def is_operational(error: BaseException) -> bool:
    """Whether it lies with the database and may pass: gone, locked, full, read-only, restarting.

    False for what the same call would meet again, such as a conflict or a table that is missing.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, exc.TimeoutError)  # no connection was free
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_code(error) in _SQLITE_PASSES
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
    if error.connection_invalidated or state == _READ_ONLY_SERVER:
        return True
    return isinstance(error, exc.OperationalError | exc.InterfaceError) and not state.startswith(
        _LIMITS
    )


def sqlite_code(error: DBAPIError) -> int | None:
    """Return SQLite's primary result code; None where the error is not SQLite's own."""
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def fault_reason(error: BaseException) -> str:
    """Return the first line of what the driver, or Python, says; it may hold a password."""
    if isinstance(error, ImportError):
        return f"its driver is not installed ({error})"
    if isinstance(error, exc.NoSuchModuleError):
        return "there is no database of that kind"
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]
