import sys
from pathlib import Path

import pytest

from objectives import InputError
from sweeps.tracking import EXPERIMENT, open_client
from sweeps.ui import runs_page, ui_command

# MLflow's models use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_ui_serves_the_database_and_not_a_server(tmp_path: Path) -> None:
    command = ui_command("sqlite:///a.db", tmp_path, "127.0.0.1", 5001)
    assert command[0] == sys.executable
    served = command[command.index("server") + 1 :]
    options = dict(zip(served[::2], served[1::2], strict=True))
    assert options["--backend-store-uri"] == "sqlite:///a.db"
    assert options["--default-artifact-root"] == tmp_path.as_uri()
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "5001")
    with pytest.raises(InputError, match="http://server is a server"):
        ui_command("http://server", tmp_path, "127.0.0.1", 5001)


def test_the_page_is_that_of_the_sweeps(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert runs_page(uri, "127.0.0.1", 5001) == "http://127.0.0.1:5001/"
    made = open_client(uri).create_experiment(EXPERIMENT)
    page = runs_page(uri, "127.0.0.1", 5001)
    assert page.startswith(f"http://127.0.0.1:5001/#/experiments/{made}/runs?")
