"""Tables of the store, for SQLAlchemy; `sweeps.store.migrations` builds the same step by step."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "NAME_LENGTH",
    "REVISION",
    "VERSION_TABLE",
    "UtcDateTime",
    "attempts",
    "baselines",
    "measurements",
    "metadata",
    "replicates",
    "sweeps",
    "trials",
]

NAME_LENGTH: Final = 200
# The newest migration; a database that is there already needs no Alembic, which is slow to import.
REVISION: Final = "0006"
# MLflow and Optuna both have an alembic_version, and Optuna has a table called trials: under names
# of our own all three can share one database.
VERSION_TABLE: Final = "sweep_schema_version"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always aware and in UTC, also where the database keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn an aware moment into UTC; a naive one is a ValueError."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; moments must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Restore UTC, which SQLite drops and PostgreSQL turns into the session's time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata: Final = MetaData()

sweeps: Final = Table(
    "sweeps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    # NULL in a sweep that is older than the column: its objectives are those of that time.
    Column("objectives", JSON(none_as_null=True), nullable=True),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    # The process that carries it out, NULL where none does, and when it last said so.
    Column("driver", Text, nullable=True),
    Column("seen_at", UtcDateTime, nullable=True),
    # NULL where it is listed among the others.
    Column("archived_at", UtcDateTime, nullable=True),
    UniqueConstraint("name", name="uq_sweeps_name"),
)

# drawn is what the sampler drew, NULL where it drew nothing, and in rows that are older than it.
# mirrored_state is the state that MLflow was last given: NULL for a trial it does not know.
trials: Final = Table(
    "sweep_trials",
    metadata,
    Column("sweep_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("config", JSON, nullable=False),
    Column("sampled", JSON, nullable=False),
    Column("control", Boolean, nullable=False),
    Column("last_epoch", Integer, nullable=True),
    Column("drawn", JSON(none_as_null=True), nullable=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("mirrored_state", String(16), nullable=True),
    ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_sweep_trials_sweep"),
)

measurements: Final = Table(
    "sweep_measurements",
    metadata,
    Column("sweep_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("split", String(32), primary_key=True),
    Column("metrics", JSON, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("mirrored", Boolean, nullable=False),
    ForeignKeyConstraint(
        ["sweep_id", "number"],
        ["sweep_trials.sweep_id", "sweep_trials.number"],
        name="fk_sweep_measurements_trial",
    ),
)

replicates: Final = Table(
    "sweep_replicates",
    metadata,
    Column("sweep_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("purpose", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    ForeignKeyConstraint(
        ["sweep_id", "number"],
        ["sweep_trials.sweep_id", "sweep_trials.number"],
        name="fk_sweep_replicates_trial",
    ),
)

attempts: Final = Table(
    "sweep_attempts",
    metadata,
    Column("sweep_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("kind", String(32), nullable=True),
    Column("reason", Text, nullable=True),
    Column("traceback", Text, nullable=True),
    Column("node", Text, nullable=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    ForeignKeyConstraint(
        ["sweep_id", "number", "seed"],
        [
            "sweep_replicates.sweep_id",
            "sweep_replicates.number",
            "sweep_replicates.seed",
        ],
        name="fk_sweep_attempts_replicate",
    ),
)

# metrics is NULL where it failed, and reason is then why.
baselines: Final = Table(
    "sweep_baselines",
    metadata,
    Column("sweep_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("split", String(32), primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("label", Text, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("metrics", JSON(none_as_null=True), nullable=True),
    Column("reason", Text, nullable=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("mirrored", Boolean, nullable=False),
    ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_sweep_baselines_sweep"),
)
