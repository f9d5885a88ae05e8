import socket
import sys
from pathlib import Path

import pytest

from objectives import InputError
from sweeps.tracking import (
    EXPERIMENT,
    answers,
    check_port,
    runs_page,
    serve,
    ui_command,
    ui_environment,
)
from sweeps.tracking.client import open_client

# MLflow's models use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_ui_serves_the_database_and_not_a_server(tmp_path: Path) -> None:
    command = ui_command("sqlite:///a.db", tmp_path, "127.0.0.1", 5001)
    assert command[0] == sys.executable
    served = command[command.index("server") + 1 :]
    options = dict(zip(served[::2], served[1::2], strict=True))
    assert options["--default-artifact-root"] == tmp_path.as_uri()
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "5001")
    with pytest.raises(InputError, match=r"http://me:\*\*\*@server is a server"):
        ui_command("http://me:S3cret@server", tmp_path, "127.0.0.1", 5001)


def test_the_page_is_that_of_the_sweeps(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert runs_page(uri, "127.0.0.1", 5001) == "http://127.0.0.1:5001/"
    made = open_client(uri).create_experiment(EXPERIMENT)
    page = runs_page(uri, "127.0.0.1", 5001)
    assert page.startswith(f"http://127.0.0.1:5001/#/experiments/{made}/runs?")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text()


def test_a_server_runs_until_the_user_ends_it(tmp_path: Path) -> None:
    port, pids = free_port(), tmp_path / "pid"
    code = (
        "import http.server, os, pathlib, sys\n"
        "pathlib.Path(sys.argv[2]).write_text(str(os.getpid()))\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]),"
        " bind='127.0.0.1')"
    )

    def up() -> None:
        assert alive(int(pids.read_text()))
        raise KeyboardInterrupt

    log = tmp_path / "log"
    command = [sys.executable, "-c", code, str(port), str(pids)]
    assert serve(command, log, ready=lambda: answers("127.0.0.1", port), up=up) == 0
    assert not alive(int(pids.read_text()))
    assert not answers("127.0.0.1", port)


def test_a_server_that_fails_gives_its_code_and_a_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)"]
    shown: list[str] = []
    code = serve(
        command, tmp_path / "log", ready=lambda: False, up=lambda: shown.append("it is up")
    )
    assert (code, shown) == (3, [])
    assert (tmp_path / "log").read_text() == "no such thing\n"


def test_the_database_goes_by_the_environment_which_others_cannot_read(tmp_path: Path) -> None:
    uri = "postgresql://me:S3cret@host/db"
    assert "S3cret" not in " ".join(ui_command(uri, tmp_path, "127.0.0.1", 5001))
    code = "import os; print(os.environ['MLFLOW_BACKEND_STORE_URI'])"
    log = tmp_path / "log"
    serve(
        [sys.executable, "-c", code],
        log,
        environment=ui_environment(uri),
        ready=lambda: False,
        up=lambda: None,
    )
    assert log.read_text() == f"{uri}\n"


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"port: cannot listen on 127.0.0.1:{port} "):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", free_port())
