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
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        opened.create_sweep("fake", spec={}, provenance={})
        yield opened


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
        if isinstance(OUTCOMES[number], Exception):
            raise OUTCOMES[number]
        return OUTCOMES[number]

    monkeypatch.setattr(sweeps.execution.baselines, "_begin", begin)
    monkeypatch.setattr(ray, "wait", lambda tasks: (tasks[-1:], tasks[:-1]))
    monkeypatch.setattr(ray, "get", get)
    spec = SweepSpec.model_validate(SPEC | {"budget": {"trials": 3, "max_concurrent": at_once}})
    watching = Counting()
    score_baselines(spec, {}, store, WriteQueue(), [watching])
    found = store.baselines("fake")
    assert [each.name for each in found] == names
    assert watching.events == len(names)
    assert most == (at_once or len(names))
    assert found[0].metrics == OUTCOMES[0]
    reasons = [each.reason or "" for each in found]
    assert reasons[:4] == ["", "collapsed", "pretrained: no weights", "KeyError: 'width\\nmore'"]
    assert [begun.count(number) for number in range(len(names))] == [1, 1, 1, 1, 3]
    assert reasons[4].startswith("the process died: The worker died unexpectedly")


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
