import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Column, Engine, Integer, MetaData, create_engine, inspect, text

from sweeps.store import migrations, schema
from sweeps.store.migrations import alembic_config, current_revision, migrate

TABLES = {"sweeps", "sweep_trials", "sweep_replicates", "sweep_attempts", "sweep_measurements"}
TABLES |= {"sweep_baselines"}


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Give an empty database."""
    empty = create_engine(url)
    yield empty
    empty.dispose()


def differences(engine: Engine, metadata: MetaData) -> list[object]:
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def test_head_equals_the_tables(engine: Engine) -> None:
    assert migrate(engine, create=True)
    assert differences(engine, schema.metadata) == []


def test_a_difference_would_be_seen(engine: Engine) -> None:
    migrate(engine, create=True)
    changed = MetaData()
    for table in schema.metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["sweeps"].append_column(Column("new", Integer))
    changed.tables["sweep_trials"].c.reason.nullable = False
    assert len(differences(engine, changed)) == 2


def test_down_to_nothing_and_up_again(engine: Engine) -> None:
    migrate(engine, create=True)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(inspect(engine).get_table_names()) == {schema.VERSION_TABLE}
    assert not migrate(engine, create=False)
    assert migrate(engine, create=True)
    assert differences(engine, schema.metadata) == []


def test_migrating_is_all_or_nothing(engine: Engine) -> None:
    """The third table cannot be built, so the first two are not there either."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sweep_measurements (x INTEGER)"))
    with pytest.raises(Exception, match=r"sweep_measurements.*already exists"):
        migrate(engine, create=True)
    assert set(inspect(engine).get_table_names()) == {"sweep_measurements"}


def test_without_create_nothing_is_written(engine: Engine) -> None:
    assert not migrate(engine, create=False)
    assert inspect(engine).get_table_names() == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        assert migrate(engine, create=True)
    assert set(inspect(engine).get_table_names()) >= TABLES
    with engine.connect() as connection:
        assert current_revision(connection) == schema.REVISION


def test_logging_is_left_alone(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("sqlalchemy.engine").level)
    migrate(engine, create=True)
    after = (root.level, list(root.handlers), logging.getLogger("sqlalchemy.engine").level)
    assert after == before
    assert capsys.readouterr() == ("", "")


def test_steps_lie_beside_the_package_and_form_one_line() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    folder = Path(migrations.__file__).parent
    assert Path(script.dir) == folder
    assert (folder / "script.py.mako").is_file()
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_percent_sign_in_the_path_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "__file__", "/100%s/migrations/__init__.py")
    assert alembic_config().get_main_option("script_location") == "/100%s/migrations"


def test_new_step_can_be_written(tmp_path: Path) -> None:
    """The template gives a module that runs; written outside the package."""
    config = alembic_config()
    config.set_main_option("version_locations", str(tmp_path))
    config.set_main_option("path_separator", "os")
    written = command.revision(config, "more", head="base", rev_id="x1")
    assert isinstance(written, Script)
    module = written.module
    assert (module.revision, module.down_revision) == ("x1", None)
    module.upgrade()


def test_env_takes_a_url_from_the_command_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    config = alembic_config()
    config.cmd_opts = type("Options", (), {"x": [f"url={url}"]})()
    command.upgrade(config, "head")
    engine = create_engine(url)
    assert differences(engine, schema.metadata) == []
    engine.dispose()
