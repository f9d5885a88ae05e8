"""Attempts of runs, what the sampler drew, and who carries a sweep out; PAUSED is a state."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Why runs were said to have FAILED that did not end by their own doing.
_OF_THE_SWEEP = ("the sweep was interrupted", "the sweep failed")


def _table(name: str, *own: sa.ColumnClause[Any]) -> sa.TableClause:
    return sa.table(
        name,
        sa.column("sweep_id", sa.Integer()),
        sa.column("number", sa.Integer()),
        sa.column("state", sa.String()),
        sa.column("reason", sa.Text()),
        sa.column("started_at", sa.DateTime(timezone=True)),
        sa.column("finished_at", sa.DateTime(timezone=True)),
        *own,
    )


_TRIALS = _table("sweep_trials", sa.column("config", sa.JSON()))
_REPLICATES = _table(
    "sweep_replicates", sa.column("seed", sa.BigInteger()), sa.column("purpose", sa.String())
)


def upgrade() -> None:
    op.create_table(
        "sweep_attempts",
        sa.Column("sweep_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seed", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["sweep_id", "number", "seed"],
            [
                "sweep_replicates.sweep_id",
                "sweep_replicates.number",
                "sweep_replicates.seed",
            ],
            name="fk_sweep_attempts_replicate",
        ),
    )
    op.add_column("sweep_trials", sa.Column("drawn", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("sweeps", sa.Column("driver", sa.Text(), nullable=True))
    op.add_column("sweeps", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE sweeps SET state = 'PAUSED' WHERE state = 'INTERRUPTED'")
    _add_first_runs()
    for table in (_TRIALS, _REPLICATES):
        lost = (table.c.state == "FAILED") & table.c.reason.in_(_OF_THE_SWEEP)
        op.execute(table.update().where(lost).values(state="LOST"))


def _add_first_runs() -> None:
    """Give the trials of stores from before there were replicates the one run that each had."""
    connection = op.get_bind()
    has_run = sa.exists().where(
        _REPLICATES.c.sweep_id == _TRIALS.c.sweep_id, _REPLICATES.c.number == _TRIALS.c.number
    )
    for trial in connection.execute(sa.select(_TRIALS).where(~has_run)).mappings().all():
        row = {key: trial[key] for key in trial if key != "config"}
        row |= {"seed": trial["config"]["seed"], "purpose": "SEARCH"}
        connection.execute(_REPLICATES.insert().values(row))


def downgrade() -> None:
    op.execute("UPDATE sweeps SET state = 'INTERRUPTED' WHERE state = 'PAUSED'")
    op.execute("UPDATE sweep_trials SET state = 'FAILED' WHERE state = 'LOST'")
    op.execute("UPDATE sweep_replicates SET state = 'FAILED' WHERE state = 'LOST'")
    op.drop_column("sweeps", "seen_at")
    op.drop_column("sweeps", "driver")
    op.drop_column("sweep_trials", "drawn")
    op.drop_table("sweep_attempts")
