"""Attempts of runs, what the sampler drew, and who carries a sweep out; PAUSED is a state."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    op.execute("UPDATE sweeps SET state = 'INTERRUPTED' WHERE state = 'PAUSED'")
    op.execute("UPDATE sweep_trials SET state = 'FAILED' WHERE state = 'LOST'")
    op.execute("UPDATE sweep_replicates SET state = 'FAILED' WHERE state = 'LOST'")
    op.drop_column("sweeps", "seen_at")
    op.drop_column("sweeps", "driver")
    op.drop_column("sweep_trials", "drawn")
    op.drop_table("sweep_attempts")
