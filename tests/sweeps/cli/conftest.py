from pathlib import Path

import pytest

from sweeps.store import Store
from tests.sweeps.command import Command

from .place import Place


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def place(here: Path, command: Command) -> Place:
    (here / "good.yaml").write_text(command.tiny)
    store = Store.open(f"sqlite:///{here / 'home' / 'sweeps.db'}")
    store.create_sweep(
        "tiny", spec={"data": {}, "objectives": ["recall_at_1", "opis"]}, provenance={}
    )
    store.close()
    return Place(folder=here)
