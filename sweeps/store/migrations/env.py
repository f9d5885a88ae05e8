"""Environment of Alembic's steps: the connection it is given, else that of ``-x url=...``."""

from alembic import context
from sqlalchemy import Connection, create_engine

from sweeps.store.schema import VERSION_TABLE, metadata


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    engine = create_engine(context.get_x_argument(as_dictionary=True)["url"])
    try:
        with engine.begin() as opened:
            _run(opened)
    finally:
        engine.dispose()
