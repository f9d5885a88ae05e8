"""Tokens of Ray clusters: a real head on this machine, and drivers that have its token or not."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import ray

pytestmark = [
    pytest.mark.faults,
    pytest.mark.ray,
    pytest.mark.skipif(
        not hasattr(ray._raylet, "AuthenticationTokenLoader"), reason="this Ray has no tokens"
    ),
]

TOKEN, OTHER = "a" * 64, "b" * 64
PORTS = ("dashboard-agent-listen-port", "metrics-export-port", "min-worker-port", "max-worker-port")
# A driver that does what one of a sweep does first.
DRIVER = """
import sys
import ray
from objectives import InputError
from sweeps.execution.cluster import ray_cluster
from sweeps.spec import Resources

@ray.remote
def work():
    return "worked"

@ray.remote
class Actor:
    def work(self):
        return "worked"

try:
    with ray_cluster(sys.argv[1], Resources()):
        done = Actor.remote().work.remote() if sys.argv[2] == "actor" else work.remote()
        print(ray.get(done, timeout=60))
except InputError as error:
    print(error)
"""
HELP = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the token of the cluster's head, or "
    "RAY_AUTH_TOKEN_PATH to a file with it (on the head: ~/.ray/auth_token)"
)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a user without a token, whose home is the folder."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return {**ours, "HOME": str(folder), "RAY_prestart_worker_first_driver": "0", **more}


@contextmanager
def head(mode: str) -> Iterator[tuple[Path, str]]:
    """Run a head, under a home that holds its token; give that and its address."""
    with TemporaryDirectory(prefix="head") as made, socket.socket() as probe:
        folder = Path(made)
        (folder / ".ray").mkdir()
        (folder / ".ray" / "auth_token").write_text(TOKEN)
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        options = [f"--{name}=0" for name in PORTS]
        options += ["--port", address.rpartition(":")[2], "--temp-dir", made, "--num-cpus=1"]
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            "--head",
            "--block",
            *options,
        ]
        with subprocess.Popen(
            [*command, "--include-dashboard=false"],
            env=environment(folder, RAY_AUTH_MODE=mode),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                said = list(_until(process.stdout, "Ray runtime started"))
                assert "Ray runtime started" in said[-1], said
                yield folder, address
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.communicate(timeout=60)


def _until(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if last in line:
            return


def drive(address: str, variables: dict[str, str], *, kind: str = "actor") -> str:
    """Return all that a driver says, on whatever stream."""
    return subprocess.run(
        [sys.executable, "-c", DRIVER, address, kind],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()


def test_a_head_with_a_token(tmp_path: Path) -> None:
    with head("token") as (home, address):
        asked = f"address: the cluster at '{address}' asks for a token, and "
        assert drive(address, environment(home)) == "worked"
        for mode in ({}, {"RAY_AUTH_MODE": "token"}):
            said = drive(address, environment(tmp_path, RAY_AUTH_TOKEN=OTHER, **mode))
            assert said == f"{asked}refuses the one that is here: {HELP}"
        said = drive(address, environment(tmp_path, RAY_AUTH_TOKEN_PATH=str(tmp_path / "nowhere")))
        assert said == f"{asked}there is none here: {HELP}"
        said = drive(address, environment(home, RAY_AUTH_MODE="disabled"))
        assert said == f"{asked}RAY_AUTH_MODE is 'disabled': {HELP}"


def test_a_head_without_one(tmp_path: Path) -> None:
    with head("disabled") as (home, address):
        assert drive(address, environment(home, RAY_AUTH_MODE="token"), kind="task") == "worked"
        assert drive(address, environment(home)) == "worked"
        said = drive(address, environment(tmp_path, RAY_AUTH_MODE="token"))
        assert said == f"RAY_AUTH_MODE is 'token', and there is no token here: {HELP}"
