from typing import Any

import pytest
import ray

from sweeps.execution.slots import Slots
from sweeps.spec import Budget, Resources


def node(cpus: int, gpus: int = 0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": float(cpus), "memory": 1e9, "GPU": float(gpus)}}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "nodes", lambda: found)
    return found


def slots(most: int | None, *, grows: bool, **resources: Any) -> Slots:
    budget = Budget(trials=9, max_concurrent=most)
    return Slots(Resources(**resources), budget, grows=grows, clock=lambda: 0.0)


@pytest.mark.parametrize(
    ("most", "grows", "wanted"),
    [(None, False, 5), (3, False, 3), (9, False, 5), (None, True, 6), (3, True, 3), (9, True, 9)],
)
def test_there_are_no_more_trials_than_can_run_but_where_a_cluster_may_grow(
    nodes: list[dict[str, Any]], most: int | None, grows: bool, wanted: int
) -> None:
    # Of two CPUs each: two nodes of five have room for two each, and not for a fifth between them.
    nodes += [node(5), node(5), node(2), node(1), node(8, alive=False), {"Alive": True}]
    nodes[-1]["Resources"] = {}
    assert slots(most, grows=grows, cpu=2).wanted() == wanted


@pytest.mark.parametrize(
    ("cpu", "gpu", "wanted"),
    [
        (1, 0, 12),
        (1, 0.25, 8),
        (1, 0.3, 6),
        (1, 0.6, 2),
        (1, 1, 2),
        (1, 2, 1),
        (1, 3, 0),
        (7, 1, 1),
    ],
)
def test_a_trials_part_of_a_gpu_is_a_part_of_one(
    nodes: list[dict[str, Any]], cpu: int, gpu: float, wanted: int
) -> None:
    nodes += [node(10, 2), node(2, 0)]
    assert slots(None, grows=False, cpu=cpu, gpu=gpu).wanted() == wanted


def test_nodes_are_counted_once_a_second(nodes: list[dict[str, Any]]) -> None:
    now = [7.0]
    found = Slots(Resources(), Budget(trials=9), grows=True, clock=lambda: now[0])
    assert found.wanted() == 1  # so that a cluster without a node gets one
    nodes.append(node(4))
    now[0] = 7.9
    assert found.wanted() == 1
    now[0] = 8.0
    assert found.wanted() == 5
