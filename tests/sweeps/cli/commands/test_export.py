import json
import re
from pathlib import Path

import pytest

from tests.sweeps.command import Command, TinySweep
from trainer import read_tuned_margins

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_export(command: Command, tiny: TinySweep, tmp_path: Path) -> None:
    document = json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    floor = document["limits"]["recall_at_1"]
    kept = [t for t in document["trials"] if t["rank"] == 0 and t["values"]["recall_at_1"] >= floor]
    best = {
        "knee": document["knee"],
        "recall": max(kept, key=lambda t: t["values"]["recall_at_1"])["number"],
        "consistency": min(kept, key=lambda t: t["values"]["opis"])["number"],
    }
    for pick, number in best.items():
        path = tmp_path / f"{pick}.yaml"
        ran = command("export", "tiny", "-o", path, "--pick", pick, "--home", tiny.home)
        assert ran.code == 0
        # What so few epochs come to may make the best trial a control.
        assert re.search(rf"\(trial {number}, {pick}: (?:margin_positive |a control)", ran.out)
        assert read_tuned_margins(path).trial == number
    ran = command("export", "tiny", "-o", tmp_path / "x", "--pick", "best", "--home", tiny.home)
    assert (ran.code, ran.err) == (
        2,
        "error: --pick: 'best' is not one of knee, recall, recall_at_1, consistency, opis, "
        "nor a trial's number\n",
    )
    ran = command("export", "tiny", "-o", tmp_path / "no" / "x", "--home", tiny.home)
    assert ran.code == 2
    assert "no/x: cannot be written (No such file or directory)" in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {f"{pick}.yaml" for pick in best}
