import json
import re

import pytest

from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_list(command: Command, tiny: TinySweep) -> None:
    [sweep] = json.loads(command("list", "--home", tiny.home, "--json").out)
    assert (sweep["name"], sweep["state"]) == ("tiny", "COMPLETE")
    assert sum(sweep["trials"].values()) == 7
    assert set(sweep["trials"]) == {"COMPLETE", "FAILED"}
    assert sweep["spec"]["budget"]["trials"] == 5
    assert re.search(r"tiny .* COMPLETE .* digits ", command("list", "--home", tiny.home).out)
