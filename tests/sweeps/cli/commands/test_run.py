import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sweeps.execution
from objectives import InputError
from sweeps.execution import FinishedSweep, RunningSweep
from sweeps.home import Home
from sweeps.results import ranked_trials
from sweeps.store import Store
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_run_shows_the_front_and_its_files(tiny: TinySweep) -> None:
    assert tiny.ran.code == 0
    # Of so few epochs the knee may be a control; of single runs nothing is known: a note says so.
    assert re.fullmatch(r"(?:note: [^\n]+\n)?", tiny.ran.err)
    assert "Ray" not in tiny.ran.out
    for name in ("front.json", "front.csv", "front.html", "front.png", "margins.yaml"):
        assert name in tiny.ran.out
    assert re.search(r"\d of \d finished trials on the front", tiny.ran.out)
    assert len(re.findall(r"^trial \d (?:COMPLETE|FAILED) ", tiny.ran.out, re.MULTILINE)) == 7


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


def test_a_dry_run_leaves_nothing_behind(command: Command, place: Place) -> None:
    before = sorted(place.folder.rglob("*"))
    ran = command("run", place.spec(), "--dry-run", "--home", place.folder / "new")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("tiny: a dry run, nothing is trained")
    assert "5 sampled (tpe), and 2 controls" in ran.out
    ran = command("run", place.spec(), "--dry-run", "--json", "--address", "host:1")
    document = json.loads(ran.out)
    assert (document["trials"], document["controls"], document["at_once"]) == (5, 2, None)
    assert document["data"]["images"] == 1797
    assert sorted(place.folder.rglob("*")) == sorted([*before, place.folder / "bad.yaml"])


def test_a_dry_run_says_what_is_missing_and_all_else(command: Command, place: Place) -> None:
    spec = place.spec(data={"folder": "nowhere"})
    ran = command("run", spec, "--dry-run")
    assert ran.code == 2
    missing = f"data.folder: {place.folder / 'nowhere'} is not a folder"
    assert ran.err == f"error: {missing}\n"
    assert "not known: the data are not there" in ran.out
    ran = command("run", spec, "--dry-run", "--json")
    assert (ran.code, ran.err) == (2, f"error: {missing}\n")
    assert json.loads(ran.out)["missing"] == missing


def test_the_cache_is_where_it_is_told(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuse(*_: Any, cache: Any, **__: Any) -> FinishedSweep:
        asked.append(cache)
        raise InputError("cannot be written", field="cache")

    monkeypatch.setattr(sweeps.execution, "run_sweep", refuse)
    ran = command("run", place.spec(), "--cache", "decoded")
    assert asked == [Path("decoded")]
    assert (ran.code, ran.err) == (2, "error: --cache: cannot be written\n")


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        (False, "what was decoded is kept; the same command goes on from there"),
        (
            True,
            "tiny is paused, and nothing that has ended is lost; go on with: sweeps resume tiny "
            "--home new",
        ),
    ],
)
def test_an_interruption_says_what_is_kept(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch, begun: bool, said: str
) -> None:
    def interrupted(*_: Any, callbacks: Any, **__: Any) -> FinishedSweep:
        [live_view] = callbacks
        with Store.open(f"sqlite:///{place.folder / 'sweeps.db'}") as store:
            store.create_sweep("tiny", spec={"objectives": ["recall_at_1", "opis"]}, provenance={})
            running = RunningSweep(
                name="tiny",
                store=store,
                objectives=store.sweep("tiny").objectives,
                total=1,
                runs=1,
            )
            if begun:
                live_view.on_sweep_start(running)
                live_view.on_sweep_end()
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps.execution, "run_sweep", interrupted)
    ran = command("run", place.spec(), "--home", "new")
    assert (ran.code, ran.err) == (130, f"{said}\ninterrupted\n")


def test_a_dry_run_at_a_local_address_is_of_this_machine(command: Command, place: Place) -> None:
    changes = {"workload": "simulated", "data": None, "space": {"trade": {"low": 0.1, "high": 1}}}
    spec = place.spec(**changes, trial={}, resources={"cpu": 10_000})
    for address, lacks in (("local", 1), ("host:1", 0)):
        ran = command("run", spec, "--dry-run", "--json", "--address", address)
        assert (ran.code, len(json.loads(ran.out)["lacking"])) == (0, lacks)
