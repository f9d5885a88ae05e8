import shutil
from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking import EXPERIMENT
from sweeps.tracking.client import open_client
from tests.sweeps.command import Command, TinySweep

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def content(home: Path) -> dict[str, Any]:
    """All that MLflow has of each run, but for the names that it gives the runs itself."""
    client = open_client(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    names = {run.info.run_id: run.info.run_name for run in runs}
    return {
        run.info.run_name: (
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            run.data.params,
            {key: names.get(value, value) for key, value in run.data.tags.items()},
            {
                key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)]
                for key in run.data.metrics
            },
            sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        )
        for run in runs
    }


def test_a_lost_mlflow_gets_all_of_a_sweep_again(
    command: Command, tiny: TinySweep, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(tiny.home, home)
    expected = content(tiny.home)
    assert len(expected) == 8
    for left in home.glob("mlflow*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    for _ in range(2):  # a second time is no news
        ran = command("replay", "tiny", "--home", home)
        assert (ran.code, ran.err) == (0, "")
        assert "MLflow has all of tiny" in ran.out
        assert content(home) == expected


def test_what_is_not_there_is_said(command: Command, tiny: TinySweep) -> None:
    ran = command("replay", "tony", "--home", tiny.home)
    assert (ran.code, ran.out) == (2, "")
    assert "no sweep called 'tony'" in ran.err
    ran = command(
        "replay", "tiny", "--home", tiny.home, "--tracking-uri", "http://me:S3cret@127.0.0.1:1"
    )
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: --tracking-uri")
    assert "MLflow cannot be brought level with the store: " in ran.err
    assert "S3cret" not in ran.err
    assert ran.err.count("\n") == 1
