"""Baselines without a Ray: who is asked when, and how what fails is recorded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError, WorkerCrashedError

import sweeps.execution.baselines
from objectives import InputError
from sweeps.execution import SweepCallback
from sweeps.execution.baselines import score_baselines
from sweeps.execution.lease import Lease, TakenOverError
from sweeps.execution.opened_data import Surroundings, UnreadableData, check_metrics
from sweeps.spec import Baseline, Data, SweepSpec
from sweeps.spec.simulated import workload as simulated
from sweeps.store import Store, WriteQueue
from trainer import TrialFailed

SPEC: dict[str, Any] = {
    "name": "fake",
    "workload": "simulated",
    "space": {"trade": {"low": 0, "high": 1}},
}


def failed(cause: Exception) -> Exception:
    """Make what Ray raises where a task raised."""
    error: Exception = RayTaskError("score", "traceback", cause).as_instanceof_cause()
    return error


OUTCOMES: list[Any] = [
    {"accuracy": 0.5, "inconsistency": 0.1},
    failed(TrialFailed("collapsed")),
    failed(InputError("no weights", field="pretrained")),
    failed(KeyError("width\nmore")),
    WorkerCrashedError(),
    [WorkerCrashedError(), failed(KeyError("depth"))],  # one after the other
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        opened.create_sweep("fake", spec={}, provenance={})
        yield opened


def lease(store: Store) -> Lease:
    store.take_sweep("fake", "me", instead_of=store.sweep("fake"))
    return Lease(store, "fake", "me")


class Counting(SweepCallback):
    events = 0

    def on_baseline_event(self) -> None:
        self.events += 1


@pytest.mark.parametrize("at_once", [None, 1, 2])
def test_each_is_scored_once_and_none_ends_the_sweep(
    store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int | None
) -> None:
    names = [f"b{number}" for number in range(len(OUTCOMES))]
    baselines = {name: Baseline(label=name, score=lambda *_: {}) for name in names}
    kind = replace(simulated, baselines=baselines)
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    running: list[int] = []
    begun: list[int] = []
    most = 0

    def begin(planned: Any, *_: Any) -> int:
        nonlocal most
        running.append(planned.number)
        begun.append(planned.number)
        most = max(most, len(running))
        return int(planned.number)

    def get(number: int) -> Any:
        running.remove(number)
        outcome = OUTCOMES[number]
        if isinstance(outcome, list):
            outcome = outcome[begun.count(number) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(sweeps.execution.baselines, "_begin", begin)
    monkeypatch.setattr(ray, "wait", lambda tasks: (tasks[-1:], tasks[:-1]))
    monkeypatch.setattr(ray, "get", get)
    spec = SweepSpec.model_validate(SPEC | {"budget": {"trials": 3, "max_concurrent": at_once}})
    watching = Counting()
    score_baselines(spec, {}, store, lease(store), WriteQueue(), [watching])
    found = store.baselines("fake")
    assert [each.name for each in found] == names
    assert watching.events == len(names)
    assert most == (at_once or len(names))
    assert found[0].metrics == OUTCOMES[0]
    reasons = [each.reason or "" for each in found]
    assert reasons[:4] == ["", "collapsed", "pretrained: no weights", "KeyError: 'width\\nmore'"]
    assert [begun.count(number) for number in range(len(names))] == [1, 1, 1, 1, 3, 2]
    assert reasons[4].startswith("the process died: The worker died unexpectedly")
    assert reasons[5] == "KeyError: 'depth'"


def test_what_a_machine_cannot_read_is_not_held_against_a_baseline(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = replace(simulated, baselines={"b": Baseline(label="b", score=lambda *_: {})})
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    begun: list[int] = []

    def begin(planned: Any, *_: Any) -> int:
        begun.append(planned.number)
        return int(planned.number)

    monkeypatch.setattr(sweeps.execution.baselines, "_begin", begin)
    monkeypatch.setattr(ray, "wait", lambda tasks: (tasks[-1:], tasks[:-1]))

    def get(_: object) -> Any:
        raise failed(UnreadableData("no such file"))

    monkeypatch.setattr(ray, "get", get)
    spec = SweepSpec.model_validate(SPEC | {"budget": {"trials": 3}})
    score_baselines(spec, {}, store, lease(store), WriteQueue(), [])
    assert len(begun) == 3
    assert store.baselines("fake") == ()


def test_who_is_superseded_scores_no_more_baselines(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b0", "b1", "b2"]
    kind = replace(simulated, baselines={n: Baseline(label=n, score=lambda *_: {}) for n in names})
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    monkeypatch.setattr(sweeps.execution.baselines, "_begin", lambda planned, *_: planned.number)
    monkeypatch.setattr(ray, "wait", lambda tasks: (tasks[-1:], tasks[:-1]))
    monkeypatch.setattr(ray, "get", lambda _: {"accuracy": 0.5, "inconsistency": 0.1})
    mine = lease(store)
    store.take_sweep("fake", "other", instead_of=store.sweep("fake"))
    spec = SweepSpec.model_validate(SPEC | {"budget": {"trials": 3, "max_concurrent": 1}})
    with pytest.raises(TakenOverError, match=r"^fake was taken over by another process$"):
        score_baselines(spec, {}, store, mine, WriteQueue(), [])
    assert store.baselines("fake") == ()


def test_a_process_opens_the_data_once_and_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Path] = []

    def open_data(_section: object, cache: Any) -> Data:
        opened.append(cache.folder)
        return Data(fingerprint="f")

    kind = replace(simulated, open_data=open_data)
    monkeypatch.setattr(sweeps.execution.opened_data, "load_workload", lambda _: kind)
    config = {
        "workload": "once",
        "resources": {"cpu": 1},
        "data": None,
        "scoring": None,
        "cache": str(tmp_path),
        "fingerprint": "f",
    }
    first, second = (Surroundings(config).open_data() for _ in range(2))
    assert first is second
    assert opened == [tmp_path]
    with pytest.raises(UnreadableData, match="not those that the sweep began with"):
        Surroundings(config | {"fingerprint": "g"}).open_data()


def test_metrics_that_no_record_can_hold() -> None:
    check_metrics({"a": 1.0, "b": 2.0}, ["a"], when="here")
    with pytest.raises(TrialFailed, match=r"^a, c undefined here$"):
        check_metrics({"a": float("nan"), "b": 2.0}, ["c"], when="here")
