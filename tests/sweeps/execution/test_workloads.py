"""Sweeps over other kinds of trials than metric learning, on a real Ray."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives import InputError
from sweeps import Home, SweepSpec, export_margins, open_store, ranked_trials, run_sweep
from sweeps.execution import RunningSweep, SweepCallback
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun, true_values
from sweeps.store import Purpose, TrialState

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

ROOT = Path(__file__).parents[3]


class Witness(SweepCallback):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_sweep_start(self, sweep: RunningSweep) -> None:
        self.events.append(f"start {sweep.name} {sweep.total}")

    def on_trial_event(self) -> None:
        self.events.append("event")

    def on_sweep_end(self) -> None:
        self.events.append("end")


def test_a_simulated_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    spec = SweepSpec.model_validate(
        {
            "name": "fake",
            "workload": "simulated",
            "space": {
                "trade": {"low": 0.1, "high": 1},
                "detour": {"low": 0, "high": 0.5},
            },
            "trial": {"last_epoch": 3},
            "seeds": 1,
            "budget": {"trials": 12, "max_concurrent": 2},
        }
    )
    home, witness = Home(path=tmp_path / "home"), Witness()
    finished = run_sweep(spec, home=home, callbacks=[witness])
    assert finished.mirror_error is None
    assert witness.events[0] == "start fake 13"
    assert witness.events[-1] == "end"
    assert witness.events.count("event") == 13 * 4  # start, three epochs, the last of them the end
    with open_store(home.store_url) as store:
        ranked, trials = ranked_trials(store, "fake"), store.trials("fake")
        with pytest.raises(InputError, match="fake: its workload exports nothing"):
            export_margins(store, "fake")
    assert ranked == finished.ranked
    assert [trial.control for trial in trials] == [True] + [False] * 12
    assert trials[0].config["trade"] == 0
    assert "trade" not in trials[0].sampled
    assert {trial.last_epoch for trial in trials} == {3}
    for trial in ranked.trials:
        config = SimulatedConfig.model_validate(trial.config)
        accuracy, inconsistency = true_values(config)
        assert trial.values == {"accuracy": accuracy, "inconsistency": inconsistency}
    assert [objective.name for objective in ranked.objectives] == ["accuracy", "inconsistency"]


def test_runs_under_further_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    spec = SweepSpec.model_validate(
        {
            "name": "noisy",
            "workload": "simulated",
            "space": {"trade": {"low": 0.1, "high": 1}, "detour": {"low": 0, "high": 0.5}},
            "trial": {"last_epoch": 2, "seed_noise": 0.1, "seed": 5},
            "budget": {"trials": 8, "replicates": 10, "max_concurrent": 2},
        }
    )
    home = Home(path=tmp_path / "home")
    finished = run_sweep(spec, home=home)
    with open_store(home.store_url) as store:
        replicates, measurements = store.replicates("noisy"), store.measurements("noisy")
        trials = store.trials("noisy")
    assert {each.state for each in replicates} == {TrialState.COMPLETE}
    reports = [each for each in replicates if each.purpose is Purpose.REPORT]
    assert 16 <= len(reports) <= 18
    assert min(each.seed for each in reports) == 1_000_005
    members = {trial.number for trial in finished.ranked.front} - {0}
    # The control of a member with another detour than the space's centre is a trial of its own.
    made = {trial.number for trial in trials if trial.number > 8}
    assert all(trial.control for trial in trials if trial.number in made)
    assert {each.number for each in reports} <= members | {0} | made
    assert {pair.role for n in members for pair in finished.ranked.pairs.get(n, ())} == {"control"}
    replicates = tuple(each for each in replicates if each.purpose is Purpose.SEARCH)
    assert len(replicates) == 9 + 10
    assert all(each.finished_at is not None for each in replicates)
    assert {each.config["seed"] for each in trials if each.number not in made} == {5}
    runs = Counter(each.number for each in replicates)
    for number, count in runs.items():
        assert {r.seed for r in replicates if r.number == number} == {*range(5, 5 + count)}
    assert runs[0] >= 2
    # Each measured what its own seed gives.
    assert Counter((m.number, m.seed) for m in measurements) == {
        (each.number, each.seed): 2 for each in (*replicates, *reports)
    }
    for m in measurements:
        fields = {**trials[m.number].config, "seed": m.seed}
        run = SimulatedRun(SimulatedConfig.model_validate(fields))
        assert m.metrics == [run.advance().metrics for _ in range(m.epoch)][-1]
    # Of a trial that the search finished, its report's runs count for its values too.
    of_all = Counter(each.number for each in (*replicates, *reports) if each.number not in made)
    assert {trial.number: trial.runs for trial in finished.ranked.trials} == of_all
    assert all(trial.chance is not None for trial in finished.ranked.trials)
    assert all(trial.chance >= 0.5 for trial in finished.ranked.front if trial.chance)


def test_a_workload_of_ones_own(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    raw = yaml.safe_load((ROOT / "examples" / "own_workload.yaml").read_text())
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(raw | {"budget": {"trials": 2, "max_concurrent": 1}}))
    ran = command("run", file, "--home", tmp_path / "home")
    assert (ran.code, ran.err) == (0, "")
    with open_store(Home(path=tmp_path / "home").store_url) as store:
        ranked = ranked_trials(store, "own")
        provenance = store.sweep("own").provenance
    assert len(ranked.trials) == 3
    assert len(ranked.controls) == 1
    assert provenance["data"] == {}
    for trial in ranked.trials:
        # Far better than the 1 in 5 of guessing, on classes it was not trained on.
        assert trial.values["recall_at_1"] > 0.5
        assert 0 < trial.values["opis"] < 0.25
    ran = command("export", "own", "-o", tmp_path / "a.yaml", "--home", tmp_path / "home")
    assert (ran.code, ran.err) == (2, "error: own: its workload exports nothing\n")
    assert not (tmp_path / "a.yaml").exists()
