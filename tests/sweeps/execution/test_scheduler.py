"""Trials side by side, however short they are, and however often the search waits for results."""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest

import sweeps.execution.trials
from sweeps import Home, SweepSpec, open_store, run_sweep
from sweeps.execution.scheduler import Scheduler
from sweeps.execution.searcher import StudySearcher
from sweeps.store import TrialRecord

ROOT = Path(__file__).parents[3]
RUNS = 10


class InPairs(StudySearcher):
    """Suggests nothing while but one of two trials has ended."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        begun = getattr(self, "_begun", 0)
        if begun % 2 == 0 and self._live:
            return None
        suggested = super().suggest(trial_id)
        self._begun = begun + isinstance(suggested, dict)
        return suggested


def overlap(one: TrialRecord, other: TrialRecord) -> bool:
    assert one.finished_at is not None
    assert other.finished_at is not None
    return one.started_at < other.finished_at and other.started_at < one.finished_at


@pytest.mark.ray
# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@pytest.mark.parametrize("searcher", [StudySearcher, InPairs])
def test_trials_shorter_than_the_start_of_a_process_run_side_by_side(
    searcher: type[StudySearcher], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2}')
    monkeypatch.setattr(sweeps.execution.trials, "StudySearcher", searcher)
    spec = SweepSpec.model_validate(
        {
            "name": "short",
            "workload": "tests.sweeps.execution.sharing:steady",
            "space": {"trade": {"low": 0.1, "high": 1}},
            "trial": {"wait": 0.4, "last_epoch": 1},
            "seeds": 1,
            "budget": {"trials": RUNS - 1},
        }
    )
    home = Home(path=tmp_path / "home")
    run_sweep(spec, home=home)
    with open_store(home.store_url) as store:
        trials, measurements = store.trials("short"), store.measurements("short")
    by_process = defaultdict(list)
    for m in measurements:
        by_process[m.metrics["process"]].append(trials[m.number])
    # Both were let start, and none was stopped while it was idle.
    assert len(by_process) == 2
    assert sum(map(len, by_process.values())) == RUNS
    ready = max(min(trial.started_at for trial in each) for each in by_process.values())
    later = [trial for trial in trials if trial.started_at > ready]
    assert trials[-1] in later
    for one in later:
        assert any(overlap(one, other) for other in trials if other is not one)


@pytest.mark.parametrize(
    ("trials", "processes", "chosen"),
    [
        ({}, [], None),
        ({4: "RUNNING", 5: "TERMINATED", 6: "ERROR"}, [4], None),
        ({9: "PENDING", 7: "PENDING", 8: "RUNNING"}, [8], 7),
        ({9: "PENDING", 7: "PENDING", 8: "RUNNING"}, [7, 8], 9),
        ({9: "PENDING", 7: "PENDING"}, [7, 9], None),
    ],
)
def test_the_first_trial_whose_process_is_not_starting_is_next(
    trials: dict[int, str], processes: list[int], chosen: int | None
) -> None:
    live = {n: SimpleNamespace(status=s, config={"number": n}) for n, s in trials.items()}
    asked: dict[str, set[int]] = {"one CPU": set(live)}
    controller = Mock()
    controller.get_live_trials.return_value = list(live.values())
    controller._resources_to_pending_trials = asked
    controller._trial_to_actor.get = lambda trial: trial.config["number"]
    controller._actor_manager.is_actor_started = processes.__contains__
    found = Scheduler().choose_trial_to_run(SimpleNamespace(_tune_controller=controller))
    assert found is (None if chosen is None else live[chosen])
    assert not asked  # else Ray would choose, of all that wait


@pytest.mark.parametrize(
    ("actor", "failed", "lets_go"),
    [(None, False, True), ("actor", True, True), ("actor", False, False)],
    ids=["gone", "failed", "its code raised"],
)
def test_where_an_actor_dies_the_idle_ones_are_not_handed_out(
    actor: str | None, failed: bool, lets_go: bool
) -> None:
    controller = Mock()
    controller._trial_to_actor.get.return_value = actor
    controller._actor_manager.is_actor_failed.return_value = failed
    Scheduler().on_trial_error(controller, Mock())
    flushed = controller._cleanup_cached_actors
    assert flushed.call_args_list == ([call(force_all=True)] if lets_go else [])
