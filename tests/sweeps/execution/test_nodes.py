"""Sweeps on a real cluster of several nodes on this machine, which lose nodes in mid-sweep."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from sweeps.execution import RunningSweep, SweepCallback, run_sweep
from sweeps.home import Home
from sweeps.spec import SweepSpec
from sweeps.store import Store, TrialState, open_store

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

SPEC = SweepSpec.model_validate(
    {
        "name": "nodes",
        "workload": "simulated",
        "space": {"trade": {"low": 0.0, "high": 1.0}, "detour": {"low": 0.0, "high": 0.5}},
        "trial": {"seed_noise": 0.2, "last_epoch": 6, "wait": 0.3},
        "budget": {"trials": 8, "replicates": 0, "reports": 0},
    }
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give a cluster whose head runs nothing."""
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield started
    finally:
        started.shutdown()


class After(SweepCallback):
    """Does something when so many measurements are there, one thing after the other."""

    def __init__(self, **actions: tuple[int, Callable[[], None]]) -> None:
        self._waiting = sorted(actions.values(), key=lambda each: each[0])

    def on_sweep_start(self, sweep: RunningSweep) -> None:
        self._sweep = sweep

    def on_trial_event(self) -> None:
        measured = len(self._sweep.store.measurements(self._sweep.name))
        if self._waiting and measured >= self._waiting[0][0]:
            _, action = self._waiting.pop(0)
            action()


def add_node(cluster: Cluster) -> Any:
    return cluster.add_node(num_cpus=2)


def drain(cluster: Cluster, node: Any) -> None:
    """Announce that a node is to go, as a cloud does that takes a machine back, and take it."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "drain-node"]
    words += ["--address", cluster.address, "--node-id", node.node_id]
    words += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "preempted"]
    words += ["--deadline-remaining-seconds", "2"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    cluster.remove_node(node, allow_graceful=True)


def check_whole(store: Store) -> None:
    trials, runs = store.trials("nodes"), store.replicates("nodes")
    assert {each.state for each in trials} == {TrialState.COMPLETE}
    assert {each.state for each in runs} == {TrialState.COMPLETE}
    assert len(trials) == 9  # the control on top of the budget
    measured = Counter((m.number, m.seed, m.epoch) for m in store.measurements("nodes"))
    assert len(measured) == 6 * len(runs)
    ended = Counter(
        (each.number, each.seed)
        for each in store.attempts("nodes")
        if each.state is not TrialState.LOST
    )
    assert set(ended.values()) == {1}


def test_nodes_that_die_and_nodes_that_are_drained_cost_no_trial(
    cluster: Cluster, tmp_path: Path
) -> None:
    home = Home(path=tmp_path / "home")
    first, second = add_node(cluster), add_node(cluster)

    def die() -> None:
        cluster.remove_node(first, allow_graceful=False)
        add_node(cluster)

    actions = After(dies=(10, die), is_drained=(30, lambda: drain(cluster, second)))
    run_sweep(SPEC, home=home, address=cluster.address, callbacks=[actions])
    with open_store(home.store_url) as store:
        check_whole(store)
        lost = [each for each in store.attempts("nodes") if each.state is TrialState.LOST]
    assert len(lost) >= 2
    assert {each.kind for each in lost} == {"lost"}
