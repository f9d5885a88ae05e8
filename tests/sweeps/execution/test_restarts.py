"""A sweep whose PostgreSQL is restarted in its midst."""

from collections import Counter
from pathlib import Path
from threading import Timer

import pytest

from sweeps.execution import RunningSweep, SweepCallback, run_sweep
from sweeps.home import Home
from sweeps.spec import SweepSpec
from sweeps.store import SweepState, TrialState, open_store
from tests.sweeps.postgresql import PostgresqlServer, new_schema

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

SPEC = SweepSpec.model_validate(
    {
        "name": "restarts",
        "workload": "simulated",
        "space": {"trade": {"low": 0.0, "high": 1.0}, "detour": {"low": 0.0, "high": 0.5}},
        "trial": {"seed_noise": 0.2, "last_epoch": 6, "wait": 0.1},
        "budget": {"trials": 9, "replicates": 3, "reports": 0},
    }
)


class Restarts(SweepCallback):
    """Lets a server crash after so many measurements each, and start again after a while."""

    def __init__(self, server: PostgresqlServer, after: list[int]) -> None:
        self._server = server
        self._after = after
        self.made = 0

    def on_sweep_start(self, sweep: RunningSweep) -> None:
        self._sweep = sweep

    def on_trial_event(self) -> None:
        if self.made == len(self._after):
            return
        if len(self._sweep.store.measurements(self._sweep.name)) >= self._after[self.made]:
            self.made += 1
            self._server.stop("immediate")
            Timer(2.0, self._server.start).start()


def test_a_database_that_restarts_three_times_costs_nothing(
    postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    restarts = Restarts(postgresql_server, [5, 20, 40])
    home = Home(path=tmp_path / "home")
    with new_schema(postgresql_server.url) as url:
        finished = run_sweep(SPEC, home=home, store_url=url, callbacks=[restarts])
        assert restarts.made == 3
        assert finished.mirror_error is None
        with open_store(url) as store:
            assert store.sweep("restarts").state is SweepState.COMPLETE
            trials, runs = store.trials("restarts"), store.replicates("restarts")
            assert {each.state for each in trials} == {TrialState.COMPLETE}
            assert {each.state for each in runs} == {TrialState.COMPLETE}
            assert (len(trials), len(runs)) == (10, 13)
            measured = Counter((m.number, m.seed) for m in store.measurements("restarts"))
            assert set(measured.values()) == {6}
            assert {each.attempt for each in store.attempts("restarts")} == {0}
