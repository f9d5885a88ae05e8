from contextlib import nullcontext
from pathlib import Path

import pytest
import ray

import sweeps.execution.run
from sweeps.store import Store
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command


def _not_here(*_: object, **__: object) -> None:
    raise AssertionError("this was not refused")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Place:
    monkeypatch.chdir(tmp_path)
    # What is wrong here is not for Ray to say.
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: nullcontext())
    monkeypatch.setattr(ray, "init", _not_here)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "good.yaml").write_text(command.tiny)
    return Place(folder=tmp_path)


@pytest.fixture
def stored(place: Place) -> Place:
    store = Store.open(f"sqlite:///{place.folder / 'home' / 'sweeps.db'}")
    store.create_sweep(
        "tiny", spec={"data": {}, "objectives": ["recall_at_1", "opis"]}, provenance={}
    )
    store.close()
    return place
