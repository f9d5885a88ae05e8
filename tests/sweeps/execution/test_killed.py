"""A driver that is killed, or told to end, at any instant costs nothing that had ended."""

from pathlib import Path

import pytest

from benchmarks.killed import Damage, Sweeps

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def sweeps(folder: Path) -> Sweeps:
    return Sweeps(folder, seed=4)


@pytest.mark.parametrize(
    ("number", "kills", "grace"),
    [(0, 5, None), (1, 2, 3.0)],  # without notice, and as a cluster stops a job
    ids=["kill", "terminate"],
)
def test_what_ends_a_driver_costs_nothing(
    sweeps: Sweeps, folder: Path, number: int, kills: int, grace: float | None
) -> None:
    made, damage = sweeps.with_kills(kills, number=number, grace=grace)
    log = (folder / "log.txt").read_text()
    assert damage == Damage(), log
    assert made >= kills // 2, log
    assert "Traceback" not in log
