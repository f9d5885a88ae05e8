import json
import re
from contextlib import closing
from typing import Any

import pytest

import sweeps.execution
from sweeps.execution import FinishedSweep
from sweeps.home import Home
from sweeps.results import ranked_trials
from sweeps.store import Store
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_run_shows_the_front_and_its_files(tiny: TinySweep) -> None:
    assert tiny.ran.code == 0
    # Of so few epochs the knee may be a control, and then a note says so.
    assert re.fullmatch(r"(?:note: trial \d is a control [^\n]+\n)?", tiny.ran.err)
    assert "Ray" not in tiny.ran.out
    for name in ("front.json", "front.csv", "front.html", "front.png", "margins.yaml"):
        assert name in tiny.ran.out
    assert re.search(r"\d of \d finished trials on the front", tiny.ran.out)
    assert len(re.findall(r"^trial \d (?:COMPLETE|FAILED) ", tiny.ran.out, re.MULTILINE)) == 5


def test_run_prints_json_alone_when_asked(
    command: Command, tiny: TinySweep, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    with closing(Store.open(Home(path=tiny.home).store_url, create=False)) as store:
        finished = FinishedSweep(ranked=ranked_trials(store, "tiny"), files=(), mirror_error=None)

    def carried_out(*_: Any, callbacks: Any, **__: Any) -> FinishedSweep:
        [live_view] = callbacks
        live_view.on_data_progress(0.5)
        live_view._console.print("for people")
        return finished

    monkeypatch.setattr(sweeps.execution, "run_sweep", carried_out)
    ran = command("run", place.spec(), "--json", "--home", tiny.home)
    assert ran.code == 0
    assert json.loads(ran.out) == front
    assert ran.err.startswith("decoding the data: 50 %\nfor people\n")
    assert "Browse it in MLflow" in ran.err
