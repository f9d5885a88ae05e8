"""Recorder without a Ray: what it writes, and what it writes no more."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweeps.execution.endings import Endings
from sweeps.execution.lease import Lease
from sweeps.execution.recorder import Recorder
from sweeps.home import run_file
from sweeps.search import Suggestion
from sweeps.spec import Failures
from sweeps.spec.simulated import workload
from sweeps.store import Store, TrialState, WriteQueue
from trainer import Measurement

from .test_last_words import DIED

RUN = Suggestion(number=0, seed=0, config={"last_epoch": 2, "seed": 0}, sampled={}, control=False)
METRICS = {"accuracy": 0.5, "inconsistency": 0.1}


class Study:
    def __init__(self) -> None:
        self.told: list[Mapping[str, float] | None] = []
        self.lost_runs: list[Suggestion] = []

    def tell(self, run: Suggestion, metrics: Mapping[str, float] | None) -> None:
        assert run == RUN
        self.told.append(metrics)

    def lost(self, run: Suggestion) -> None:
        self.lost_runs.append(run)


class Driver:
    """A driver of the sweep, with what it is told by a Ray."""

    def __init__(self, store: Store, name: str, checkpoints: Path) -> None:
        assert store.take_sweep("birds", name, instead_of=store.sweep("birds"))
        self.lease = Lease(store, "birds", name)
        self.study, self.checkpoints = Study(), checkpoints
        self.recorder = Recorder(
            store,
            "birds",
            workload,
            search=self.study,
            endings=Endings(Failures()),
            writes=WriteQueue(),
            lease=self.lease,
            checkpoints=checkpoints,
            callbacks=[],
        )

    def starts(self, attempt: int = 0) -> None:
        self.attempt = attempt
        self.recorder.on_trial_start(0, [], self._trial())

    def measures(self, epoch: int, **changes: Any) -> None:
        measured = Measurement(epoch=epoch, seed=0, split="validation", metrics=METRICS)
        result = {"measurement": measured, "failure": None, "done": epoch == 2, **changes}
        self.recorder.on_trial_result(0, [], self._trial(), result)

    def dies(self, path: Path) -> None:
        path.write_text(DIED)
        self.recorder.on_trial_error(0, [], self._trial(error_file=str(path)))

    def _trial(self, **more: Any) -> SimpleNamespace:
        config = {**asdict(RUN), "attempt": self.attempt}
        return SimpleNamespace(config=config, last_result=None, **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        opened.create_sweep("birds", spec={}, provenance={})
        yield opened


def states(store: Store) -> list[list[TrialState]]:
    found = (store.trials("birds"), store.replicates("birds"), store.attempts("birds"))
    return [[each.state for each in records] for records in found]


def test_a_run_ends_with_its_trial_and_its_checkpoint(store: Store, tmp_path: Path) -> None:
    driver = Driver(store, "me", tmp_path)
    checkpoint = run_file(tmp_path, number=0, seed=0)
    checkpoint.touch()
    driver.starts()
    driver.measures(1)
    assert states(store) == [[TrialState.RUNNING]] * 3
    assert checkpoint.exists()
    driver.measures(2)
    assert states(store) == [[TrialState.COMPLETE]] * 3
    assert not checkpoint.exists()
    assert driver.study.told == [METRICS]


def test_a_run_that_is_lost_keeps_its_checkpoint(store: Store, tmp_path: Path) -> None:
    driver = Driver(store, "me", tmp_path)
    checkpoint = run_file(tmp_path, number=0, seed=0)
    checkpoint.touch()
    driver.starts()
    driver.dies(tmp_path / "error.txt")
    assert states(store) == [[TrialState.LOST]] * 3
    assert checkpoint.exists()
    assert driver.study.lost_runs == [RUN]
    driver.starts(attempt=1)
    driver.measures(2, measurement=None, failure="no such file", kind="data")
    assert states(store)[2] == [TrialState.LOST, TrialState.LOST]
    assert driver.study.lost_runs == [RUN, RUN]
    assert driver.study.told == []


def test_who_is_superseded_writes_nothing_more(store: Store, tmp_path: Path) -> None:
    old = Driver(store, "old", tmp_path)
    checkpoint = run_file(tmp_path, number=0, seed=0)
    checkpoint.touch()
    old.starts()
    old.measures(1)
    new = Driver(store, "new", tmp_path)
    store.lose_running("birds", reason="its driver is gone")
    new.starts(attempt=1)
    old.measures(2)
    assert old.lease.lost.is_set()
    assert states(store) == [
        [TrialState.RUNNING],
        [TrialState.RUNNING],
        [TrialState.LOST, TrialState.RUNNING],
    ]
    assert [each.epoch for each in store.measurements("birds")] == [1]
    assert checkpoint.exists()
    new.measures(2)
    assert not new.lease.lost.is_set()
    assert states(store)[:2] == [[TrialState.COMPLETE]] * 2


def test_a_run_that_begins_and_dies_three_times_failed(store: Store, tmp_path: Path) -> None:
    driver = Driver(store, "me", tmp_path)
    found = []
    for attempt in range(3):
        driver.starts(attempt)
        driver.dies(tmp_path / "error.txt")
        found.append(store.attempts("birds")[-1].state)
    assert found == [TrialState.LOST, TrialState.LOST, TrialState.FAILED]
    assert driver.study.told == [None]
