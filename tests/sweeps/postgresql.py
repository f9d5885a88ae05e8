"""PostgreSQL for the tests: a server of their own, in a folder that goes with it."""

import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, create_engine, make_url, text

# A server that is there already, for the contract suite in place of one of the tests' own.
GIVEN = "TCM_SWEEPS_TEST_POSTGRESQL_URL"
# Set where a test that does without PostgreSQL must not pass for one that ran.
REQUIRED = "TCM_SWEEPS_TEST_REQUIRE_POSTGRESQL"


def find_binaries() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps those of a server off the PATH."""
    if (found := shutil.which("initdb")) and shutil.which("pg_ctl", path=Path(found).parent):
        return Path(found).parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(
        folders, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), default=None
    )


class PostgresqlServer:
    """A server on the loopback address, with a password, that writes nothing through to the disk.

    It refuses to run as root, for whom it runs as another user.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._account = _account() if os.geteuid() == 0 else None
        # The folders that pytest makes are closed to other users.
        self._folder = Path(tempfile.mkdtemp(prefix="sweeps-postgresql-"))
        self._data = self._folder / "data"
        self._password = secrets.token_hex(8)
        self._port = _free_port()
        self.running = False

    @property
    def url(self) -> str:
        """Of its one database, with the password."""
        url = URL.create(
            "postgresql+psycopg", "sweeps", self._password, "127.0.0.1", self._port, "postgres"
        )
        return url.render_as_string(hide_password=False)

    def create(self) -> None:
        password = self._folder / "password"
        password.write_text(self._password, encoding="utf-8")
        if self._account is not None:
            for path in (self._folder, password):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        settings = ["--auth=scram-sha-256", f"--pwfile={password}", "--username=sweeps"]
        self._call("initdb", *settings, "--encoding=UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start it and wait until it answers; one that runs is left alone."""
        if self.running:
            return
        # A zone that is not UTC, for moments have to come back in UTC from any.
        settings = f"-F -h 127.0.0.1 -p {self._port} -k '' -c timezone=Asia/Kolkata"
        self._call("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", "-o", settings)
        self.running = True

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it, its connections with it; ``immediate`` is as if it had crashed."""
        if self.running:
            self._call("pg_ctl", "stop", "--wait", f"--mode={mode}")
            self.running = False

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder)

    def _call(self, program: str, *arguments: str) -> None:
        user: dict[str, Any] = {}
        if self._account is not None:
            user = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [self._binaries / program, f"--pgdata={self._data}", *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            **user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


@contextmanager
def new_schema(server: str) -> Iterator[str]:
    """Give the URL of a new, empty schema, which takes less time than a database."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(server, pool_pre_ping=True)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    query = {"options": f"-csearch_path={name}"}
    yield make_url(server).update_query_dict(query).render_as_string(hide_password=False)
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    admin.dispose()


def _account() -> pwd.struct_passwd:
    """The user that Debian's package makes, else the one that owns nothing."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
