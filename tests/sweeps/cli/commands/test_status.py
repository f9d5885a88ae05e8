import json
from pathlib import Path

import pytest

from tests.sweeps.cli.finished import home_of
from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_status(command: Command, tiny: TinySweep) -> None:
    found = json.loads(command("status", "tiny", "--home", tiny.home, "--json").out)
    assert [trial["number"] for trial in found["trials"]] == [*range(7)]
    assert {trial["epoch"] for trial in found["trials"] if trial["state"] == "COMPLETE"} == {2}
    shown = command("status", "tiny", "--home", tiny.home).out
    assert "the training loss is not finite at epoch 1" in shown


def test_failures(command: Command, tiny: TinySweep) -> None:
    words = ("status", "tiny", "--failures", "--home", tiny.home)
    found = json.loads(command(*words, "--json").out)
    assert {each["reason"] for each in found} == {"the training loss is not finite at epoch 1"}
    shown = command(*words).out.splitlines()
    assert len(shown) == len(found) >= 1
    assert " seed 0 attempt 0 on " in shown[0]
    assert shown[0].endswith(": FAILED (not_scored): the training loss is not finite at epoch 1")


def test_where_nothing_failed_it_says_so(command: Command, tmp_path: Path) -> None:
    home = home_of(tmp_path / "home", (0.8, 0.006))
    ran = command("status", "own", "--failures", "--home", home.path)
    assert ran.out == "own: no run failed, and none was lost\n"
