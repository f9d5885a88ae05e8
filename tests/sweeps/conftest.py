import importlib.util
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from .command import TINY, Command, TinySweep
from .postgresql import GIVEN, REQUIRED, PostgresqlServer, find_binaries, new_schema


@pytest.fixture(scope="session")
def command() -> Command:
    return Command()


@pytest.fixture(scope="session")
def tiny(command: Command, tmp_path_factory: pytest.TempPathFactory) -> TinySweep:
    folder = tmp_path_factory.mktemp("tiny")
    spec, margins = folder / "tiny.yaml", folder / "margins.yaml"
    spec.write_text(TINY)
    ran = command("run", spec, "--home", folder / "home", "--export", margins)
    return TinySweep(home=folder / "home", spec=spec, margins=margins, ran=ran)


@pytest.fixture(scope="session")
def own_postgresql() -> Iterator[PostgresqlServer]:
    """Give a server that belongs to the tests: they may stop it, and start it again."""
    if importlib.util.find_spec("psycopg") is None:
        _do_without("psycopg is not installed")
    binaries = find_binaries()
    if binaries is None:
        _do_without("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = PostgresqlServer(binaries)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgresql_server(own_postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """Give the tests' own server, running, and leave it so."""
    yield own_postgresql
    own_postgresql.start()


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a new, empty schema of a real PostgreSQL."""
    server = os.environ.get(GIVEN) or request.getfixturevalue("own_postgresql").url
    with new_schema(server) as url:
        yield url


def _do_without(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, and {REQUIRED} is set")
    pytest.skip(reason)
