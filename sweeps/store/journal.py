"""Journal of a SQLite file: a write-ahead log, or a rollback journal where that cannot be."""

import re
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from sweeps.store.faults import sqlite_code

__all__ = ["choose_journal", "network_file_system"]

# Linux's list of what is mounted where; elsewhere there is none, and each file counts as local.
_MOUNTS: Final = Path("/proc/self/mountinfo")
# Two machines may write to these, or to a folder that a virtual machine shares with its host.
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ncpfs|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|orangefs|pvfs2"
    r"|fuse(\..*)?|9p|virtiofs|vboxsf|prl_fs|vmhgfs"
)
# What SQLite answers where memory cannot be shared over the file.
_NOT_SHARED: Final = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
_TRIES: Final = 20


def choose_journal(engine: Engine, file: Path, *, mounts: Path = _MOUNTS) -> None:
    """Let readers and the writer not wait for one another, where the file system allows it.

    A write-ahead log needs memory that all who open the file share. Over a network there is none:
    on some file systems SQLite finds out, on NFS the file is broken without a word. The file keeps
    the setting, so one that was moved to such a place is taken out of the log.

    Raises:
        sqlalchemy.exc.OperationalError: The file cannot be opened, or is locked.
    """
    if network_file_system(file, mounts=mounts) is None:
        try:
            return _use_write_ahead_log(engine, tries=_TRIES)
        except OperationalError as error:
            if sqlite_code(error) not in _NOT_SHARED:
                raise
    return _use_rollback_journal(engine)


def network_file_system(file: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of the network file system that the file lies on, such as ``nfs4``."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    around = [(point, kind) for point, kind in map(_mount, lines) if file.is_relative_to(point)]
    # The innermost; of two at one place the later one hides the earlier.
    _, kind = max(reversed(around), key=lambda mount: len(mount[0].parts), default=(file, ""))
    return kind if _NETWORK.fullmatch(kind) else None


def _mount(line: str) -> tuple[Path, str]:
    """Return where it is and of what kind."""
    place, _, rest = line.partition(" - ")
    return _unescaped(place.split()[4]), rest.split()[0]


def _unescaped(point: str) -> Path:
    return Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point))


def _use_write_ahead_log(engine: Engine, *, tries: int) -> None:
    """Ask for it; SQLite leaves the file as it is where its driver of files knows of no log.

    Of two that open a new file together SQLite refuses one at once, whatever the timeout. That one
    waits for the other here, by asking for the lock that does heed the timeout, and tries again.
    """
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            if tries == 1 or sqlite_code(error) in _NOT_SHARED:
                raise
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            return
    _use_write_ahead_log(engine, tries=tries - 1)


def _use_rollback_journal(engine: Engine) -> None:
    with engine.connect() as connection:
        # Who has the file alone needs no shared memory to take it out of the log.
        connection.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
        finally:
            connection.invalidate()  # its lock goes with it
