"""Migrations of a database to the newest schema, by Alembic.

A new step, with the database it is compared with already at the head::

    alembic -x url=sqlite:///old.db revision --autogenerate -m "what changes" --rev-id 0003

where the folder of this module is Alembic's ``script_location``.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from sweeps.store.schema import VERSION_TABLE

__all__ = ["alembic_config", "current_revision", "migrate"]

# Two processes that open a new database together must not both build it. The number is arbitrary.
_LOCKS: Final = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(230704047)",
}


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration for Alembic's commands over ``connection``; it needs no ini file."""
    config = Config()
    # ConfigParser would read a % in the path as an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def current_revision(connection: Connection) -> str | None:
    """Return the revision that the database is at, None for one that has no schema of ours."""
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def migrate(engine: Engine, *, create: bool) -> bool:
    """Bring the database to the newest schema in one transaction.

    Args:
        engine: Where.
        create: Whether to build the schema where there is none yet.

    Returns:
        Whether the schema is there now: False only without ``create``.

    Raises:
        alembic.util.CommandError: The database is at a revision that is not known here.
    """
    with engine.connect() as connection:
        current = current_revision(connection)
    if current is None and not create:
        return False
    if current != ScriptDirectory.from_config(alembic_config()).get_current_head():
        with engine.begin() as connection:
            if lock := _LOCKS.get(engine.dialect.name):
                connection.exec_driver_sql(lock)
            command.upgrade(alembic_config(connection), "head")
    return True
