"""Archived sweeps, which a list leaves out; runs of trials of before there were replicates."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
    op.add_column("sweeps", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
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
        row |= {"seed": trial["config"].get("seed", 0), "purpose": "SEARCH"}
        connection.execute(_REPLICATES.insert().values(row))


def downgrade() -> None:
    op.drop_column("sweeps", "archived_at")
