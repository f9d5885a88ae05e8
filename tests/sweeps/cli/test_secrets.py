"""Secrets in whatever a command takes, looked for in whatever it leaves."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from sqlalchemy import create_engine, inspect, make_url, text

from tests.sweeps.command import ENVIRONMENT, SETTINGS, Command, Ran
from tests.sweeps.postgresql import PostgresqlServer, new_schema

from .leaking import SECRET
from .place import Place

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

ROOT = Path(__file__).parents[3]
SWEEPS = [sys.executable, "-c", "from sweeps.cli import main; main()"]
SPEC = {
    "name": "told",
    "workload": "tests.sweeps.cli.leaking:telling",
    "space": {"trade": {"low": 0.1, "high": 1}, "detour": [0, 1, 2]},
    "trial": {"last_epoch": 1},
    "seeds": 1,
    "seed": 1,
    "budget": {"trials": 6, "max_concurrent": 1},
}
# Beside what the tests plant in URLs; a token that ends in a line break is repeated in an error.
CREDENTIALS = {
    "MLFLOW_TRACKING_USERNAME": "ray",
    "MLFLOW_TRACKING_PASSWORD": SECRET,
    "MLFLOW_TRACKING_TOKEN": f"{SECRET}\n",
    "PGPASSWORD": SECRET,
    "RAY_AUTH_TOKEN": SECRET * 8,
}


class Processes:
    """What the process list says of a process, and of those that it has started."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: set[str] = set()

    def __enter__(self) -> "Processes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> set[str]:
        """Add what there is now of those that it has started; return that."""
        parents, lines = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
                lines[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        family = {self._pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        self.seen |= {lines[pid] for pid in family - {self._pid} if pid in lines}
        return {lines[pid] for pid in family if pid in lines}

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.look()


@contextmanager
def started(
    *arguments: object, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    clean = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    with subprocess.Popen(
        [*SWEEPS, *map(str, arguments)],
        cwd=ROOT,
        env={**clean, **ENVIRONMENT, **CREDENTIALS, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def ran(*arguments: object, environment: Mapping[str, str]) -> Ran:
    with started(*arguments, environment=environment) as process, Processes(process.pid) as those:
        out, err = process.communicate(timeout=300)
    assert those.seen or arguments[0] != "run"
    check(*those.seen, out, err)
    return Ran(code=process.returncode, out=out, err=err)


def check(*texts: str) -> None:
    for each in texts:
        assert SECRET not in each


def check_files(folder: Path) -> None:
    held = [path for path in folder.rglob("*") if path.is_file()]
    assert held
    assert [path for path in held if SECRET.encode() in path.read_bytes()] == []


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder of a short name, for Ray's sockets lie there too."""
    with TemporaryDirectory(prefix="told") as made:
        (Path(made) / "told.yaml").write_text(yaml.safe_dump(SPEC))
        yield Path(made)


@pytest.mark.faults
@pytest.mark.ray
def test_a_sweep_whose_mlflow_is_away(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    server = f"http://ray:{SECRET}@127.0.0.1:1/?token={SECRET}"
    environment = {"RAY_TMPDIR": str(folder), "MLFLOW_TRACKING_URI": server}
    home = ["--home", folder / "home"]
    done = ran("run", folder / "told.yaml", *home, environment=environment)
    assert done.code == 0, done.err
    shown = "http://ray:***@127.0.0.1:1/?token=***"
    assert f"Browse it in MLflow:  {shown}" in done.out
    assert "MLflow is not level with the store: " in done.err
    environment |= CREDENTIALS
    told = command("status", "told", "--failures", *home, environment=environment)
    assert f"no answer from {shown}" in told.out  # the trials that fail say what they know
    assert f"ConnectionError: cannot reach {shown}" in told.out
    exported = ["export", "told", "--force", "--output", folder / "picked.yaml", *home]
    replayed = command("replay", "told", *home, environment=environment)
    for each in (told, command(*exported, environment=environment), replayed):
        check(each.out, each.err)
    assert replayed.err.startswith("error: --tracking-uri: MLflow cannot be brought level")
    check_files(folder)
    assert {"picked.yaml", "home", "ray"} <= {path.name for path in folder.iterdir()}


@pytest.fixture
def database(own_postgresql: PostgresqlServer) -> Iterator[str]:
    """Give the URL of an empty schema of a user whose password does not look as in the URL."""
    admin = create_engine(own_postgresql.url, pool_pre_ping=True)
    with new_schema(own_postgresql.url) as url:
        schema = str(make_url(url).query["options"]).partition("search_path=")[2]
        with admin.begin() as connection:
            connection.execute(text(f"CREATE ROLE ray LOGIN PASSWORD '{SECRET}@/:% é'"))
            connection.execute(text(f"ALTER SCHEMA {schema} OWNER TO ray"))
        made = make_url(url).set(username="ray", password=f"{SECRET}@/:% é")
        yield made.render_as_string(hide_password=False)
    with admin.begin() as connection:
        connection.execute(text("DROP ROLE ray"))
    admin.dispose()


@pytest.mark.faults
@pytest.mark.ray
def test_a_sweep_in_postgresql(folder: Path, database: str) -> None:
    assert f"{SECRET}%40%2F%3A%25" in database
    environment = {"RAY_TMPDIR": str(folder), "MLFLOW_TRACKING_URI": database}
    there = ["--home", folder / "home", "--store", database]
    done = ran(
        "run", folder / "told.yaml", *there, "--tracking-uri", database, environment=environment
    )
    assert done.code == 0, done.err
    assert "sweeps ui --tracking-uri 'postgresql+psycopg://ray:***@127.0.0.1:" in done.out
    assert "not level" not in done.err
    port = free_port()
    with started(
        "ui", there[0], there[1], "--tracking-uri", database, "--port", port, environment={}
    ) as process:
        check_served(process, port)
    check_files(folder)
    engine = create_engine(database)
    names = inspect(engine).get_table_names()
    assert {"sweeps", "sweep_trials", "runs", "experiments"} <= {*names}
    with engine.connect() as connection:
        for name in names:
            quoted = engine.dialect.identifier_preparer.quote(name)
            rows = connection.scalars(text(f"SELECT row_to_json(t)::text FROM {quoted} t"))
            check(*rows)
    engine.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> set[str]:
    """The addresses, as the kernel writes them, that a port is listened on at."""
    lines = [
        line.split()
        for name in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(name).read_text().splitlines()[1:]
    ]
    ends = [line[1].split(":") for line in lines if line[3] == "0A"]
    return {address for address, each in ends if int(each, 16) == port}


def check_served(process: "subprocess.Popen[str]", port: int) -> None:
    """Wait until MLflow's UI is up; hold it to this machine, and to no secret."""
    assert process.stdout is not None
    up = any(f"http://127.0.0.1:{port}/" in line for line in process.stdout)
    lines = Processes(process.pid).look()
    where = listening(port)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert up, err
    assert where == {"0100007F"}
    assert any("mlflow" in line for line in lines)
    check(*lines, out, err)


@pytest.mark.faults
def test_the_ui_of_a_database_in_a_file(folder: Path) -> None:
    port = free_port()
    uri = f"sqlite:///{folder}/mlflow.db?password={SECRET}"
    with started(
        "ui", f"--tracking-uri={uri}", "--home", folder / "home", "--port", port, environment={}
    ) as process:
        check_served(process, port)
    check_files(folder)


MALFORMED = [
    f"postgres://ray:{SECRET}@host/db",
    f"postgres://ray:{SECRET}%40x@host/db",
    f"postgresql://ray:{SECRET}@host:port/db",
    f"postgresql://ray:{SECRET}",
    f"postgresql://ray:{SECRET}:host/db",
    f"postgresql:/ray:{SECRET}@host/db",
    f"ray:{SECRET}@host/db",
    f"{SECRET}@host",
    f"postgresql://host:port/db?password={SECRET}",
    f"host=127.0.0.1 user=ray password={SECRET}",
]
NO_DATABASE = [
    f"postgresql+no://ray:{SECRET}@host/db",
    f"postgresql://ray:{SECRET}@127.0.0.1:1/db",
    f"postgresql:///ray:{SECRET}@host/db?host=127.0.0.1&port=1",
    f"postgresql://127.0.0.1:1/db?user=ray&password={SECRET}",
    f"postgresql://127.0.0.1:1/db?sslmode=require&sslpassword={SECRET}",
    f"sqlite://ray:{SECRET}@host/sweeps.db",
]
NO_SERVER = [f"http://ray:{SECRET}@host:port", f"https://ray:{SECRET}", f"http://{SECRET}:@[::1"]
SERVER = [f"http://ray:{SECRET}@host", f"https://{SECRET}:@host", f"https://host?token={SECRET}"]
NO_ADDRESS = [
    f"ray://user:{SECRET}@host:10001",
    f"user:{SECRET}@127.0.0.1:1",
    f"user:{SECRET}@{'x' * 70}:1",
    f"http://user:{SECRET}@127.0.0.1:8265",
]
VARIABLES = {
    "--store": "SWEEPS_STORE",
    "--tracking-uri": "MLFLOW_TRACKING_URI",
    "--address": "RAY_ADDRESS",
}
RUN = ("run", "sim.yaml")


@pytest.mark.parametrize(
    ("words", "option", "urls"),
    [
        (("list",), "--store", [*MALFORMED, *NO_DATABASE]),
        (RUN, "--store", [*MALFORMED[:3], *NO_DATABASE[:2]]),
        (RUN, "--tracking-uri", [*MALFORMED, *NO_SERVER]),
        (("ui",), "--tracking-uri", [*MALFORMED[:3], *NO_SERVER, *SERVER, NO_DATABASE[0]]),
        (RUN, "--address", NO_ADDRESS),
    ],
)
def test_what_is_refused(
    command: Command, place: Place, words: tuple[str, ...], option: str, urls: list[str]
) -> None:
    place.write("sim.yaml", yaml.safe_dump(SPEC | {"workload": "simulated"}))
    for number, url in enumerate(urls):
        done = (
            command(*words, option, url)
            if number % 2
            else command(*words, environment={VARIABLES[option]: url})
        )
        assert (done.code, done.out.removeprefix("Starting MLflow ...\n")) == (2, ""), url
        assert re.fullmatch(r"error: [^\n]+\n", done.err), done.err
        check(done.err)
    check_files(place.folder)


def test_what_is_too_much_is_repeated_without_its_password(command: Command, place: Place) -> None:
    del place
    for words in (["list", "--store="], ["run"], []):
        done = command(*words, "sim.yaml", f"postgres://ray:{SECRET}@host/db")
        assert done.code == 2
        check(done.out, done.err)
