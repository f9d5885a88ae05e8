"""A driver that is killed at any instant costs nothing that had ended."""

from pathlib import Path

import pytest

from benchmarks.killed import Damage, Sweeps

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


def test_kills_cost_nothing(tmp_path: Path) -> None:
    sweeps = Sweeps(tmp_path, seed=4)
    kills, damage = sweeps.with_kills(5)
    log = (tmp_path / "log.txt").read_text()
    assert damage == Damage(), log
    assert kills >= 3, log
    assert "Traceback" not in log
