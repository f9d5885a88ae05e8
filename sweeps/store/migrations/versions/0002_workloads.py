"""Objectives of a sweep, and the last epoch of a trial: no longer known from their names alone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TRIALS = sa.table(
    "sweep_trials",
    sa.column("sweep_id", sa.Integer()),
    sa.column("number", sa.Integer()),
    sa.column("config", sa.JSON()),
    sa.column("last_epoch", sa.Integer()),
)


def upgrade() -> None:
    with op.batch_alter_table("sweeps") as sweeps:
        sweeps.add_column(sa.Column("objectives", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("sweep_trials") as trials:
        trials.add_column(sa.Column("last_epoch", sa.Integer(), nullable=True))
    connection = op.get_bind()
    for row in connection.execute(sa.select(_TRIALS)).all():
        which = (_TRIALS.c.sweep_id == row.sweep_id) & (_TRIALS.c.number == row.number)
        # Every trial of that time had this field.
        last = row.config.get("epochs")
        connection.execute(_TRIALS.update().where(which).values(last_epoch=last))


def downgrade() -> None:
    # In place: SQLite would not let a table go that others refer to.
    with op.batch_alter_table("sweep_trials", recreate="never") as trials:
        trials.drop_column("last_epoch")
    with op.batch_alter_table("sweeps", recreate="never") as sweeps:
        sweeps.drop_column("objectives")
