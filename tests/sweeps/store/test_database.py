import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from objectives.errors import InputError
from sweeps.store.database import open_database
from sweeps.store.schema import VERSION_TABLE


def test_file_and_folder_are_made_and_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a folder/100%/sweeps.db"
    for create in (True, True, False):
        engine = open_database(url, create=create)
        assert inspect(engine).has_table("sweeps")
        engine.dispose()


def test_sqlite_is_set_up_for_a_writer_and_a_reader(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/sweeps.db", create=True)
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert connection.scalar(text("PRAGMA busy_timeout")) == 10_000
    engine.dispose()


def test_many_may_open_a_new_file_together(tmp_path: Path) -> None:
    """Threads here, with connections of their own; SQLite's locks are between connections."""
    openers, rounds = 4, 15
    together = threading.Barrier(openers)

    def open_all(_: int) -> None:
        for number in range(rounds):
            together.wait(timeout=60)
            open_database(f"sqlite:///{tmp_path}/{number}.db", create=True).dispose()

    with ThreadPoolExecutor(openers) as pool:
        assert list(pool.map(open_all, range(openers))) == [None] * openers


def test_timeout_of_the_url_goes_first(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/sweeps.db?timeout=2", create=True)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == 2_000
    engine.dispose()


def test_looking_does_not_create(tmp_path: Path) -> None:
    path = tmp_path / "home" / "sweeps.db"
    with pytest.raises(InputError, match=f"no sweeps yet: {path} does not exist"):
        open_database(f"sqlite:///{path}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_looking_does_not_build_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(InputError, match=r"no sweeps yet: sqlite:////.* has no tables"):
        open_database(f"sqlite:///{path}", create=False)
    engine = create_engine(f"sqlite:///{path}")
    assert inspect(engine).get_table_names() == ["other"]
    engine.dispose()


def test_other_programs_tables_are_left_alone(tmp_path: Path) -> None:
    """MLflow and Optuna both keep an alembic_version; the store may share their database."""
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    connection.execute("INSERT INTO alembic_version VALUES ('abc')")
    connection.execute("CREATE TABLE trials (trial_id INTEGER)")
    connection.commit()
    connection.close()
    engine = open_database(f"sqlite:///{path}", create=True)
    with engine.connect() as opened:
        assert opened.scalar(text("SELECT version_num FROM alembic_version")) == "abc"
    engine.dispose()


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sweeps.db"
    engine = open_database(url, create=True)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(InputError, match=r"from another version of sweeps.*9999"):
        open_database(url, create=True)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sweeps.db", "'sweeps.db' is not a database URL"),
        ("", "'' is not a database URL"),
        ("oracel://u:secret@host/x", r"oracel://u:\*\*\*@host/x: there is no database of that"),
        ("postgresql:/u:secret@host/x", r"'\*\*\*@host/x' is not a database URL"),
        ("postgresql+nodriver://u:secret@host/x", "there is no database of that kind"),
        ("mssql+pymssql://u:secret@host/x", "its driver is not installed"),
        ("postgresql+asyncpg://u:secret@host/x", "its driver is asynchronous"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "SQLite needs a file"),
    ],
)
def test_bad_url_is_one_sentence_without_the_password(
    url: str, message: str, create: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^store: .*{message}") as caught:
        open_database(url, create=create)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir() == []  # noqa: PTH208


def test_unreachable_server_is_one_sentence_without_the_password() -> None:
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://u:secret@127.0.0.1:1/x?sslpassword=hush"
    message = r"cannot open postgresql\+psycopg://u:\*\*\*@127"
    with pytest.raises(InputError, match=message) as caught:
        open_database(url, create=True)
    assert "secret" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"not a database " * 100)
    for create in (True, False):
        with pytest.raises(InputError, match=r"junk\.db: file is not a database"):
            open_database(f"sqlite:///{junk}", create=create)
    with pytest.raises(InputError, match=f"cannot make the folder {junk}"):
        open_database(f"sqlite:///{junk}/sweeps.db", create=True)
    with pytest.raises(InputError, match="unable to open database file"):
        open_database(f"sqlite:///{tmp_path}", create=True)
    assert junk.read_bytes() == b"not a database " * 100


def test_a_name_that_is_too_long_is_of_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sweeps yet"):
        open_database(f"sqlite:///{tmp_path}/{'x' * 300}", create=False)
    with pytest.raises(InputError, match="store: cannot open"):
        open_database(f"sqlite:///{tmp_path}/{'x' * 300}", create=True)
