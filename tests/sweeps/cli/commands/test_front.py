import json
from pathlib import Path

import pytest

from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_front(command: Command, tiny: TinySweep, tmp_path: Path) -> None:
    ran = command("front", "tiny", "--home", tiny.home, "--json", "--output", tmp_path / "front")
    document = json.loads(ran.out)
    assert document == json.loads((tmp_path / "front" / "front.json").read_text())
    assert document == json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    members = [trial["number"] for trial in document["trials"] if trial["rank"] == 0]
    assert document["knee"] in members
    shown = command("front", "tiny", "--home", tiny.home).out
    everything = command("front", "tiny", "--home", tiny.home, "--all").out
    added = len(everything.splitlines()) - len(shown.splitlines())
    assert added == len(document["trials"]) - len(members)
