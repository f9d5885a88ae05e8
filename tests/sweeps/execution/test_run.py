import csv
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import sweeps.execution.run
import sweeps.execution.trials
from objectives import Calibration, InputError, get_objective
from sweeps.cli.live_view import LiveProgress
from sweeps.execution import run_sweep
from sweeps.execution.trainable import TrialTrainable
from sweeps.home import Home
from sweeps.results import rank_trials
from sweeps.spec import load_spec
from sweeps.store import Store, SweepState, TrialState
from tests.sweeps.command import Command, TinySweep
from trainer import (
    DataConfig,
    TrialConfig,
    load_data,
    load_tuned_margins,
    read_tuned_margins,
    score_raw_pixels,
    score_untouched_trunk,
)

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

PAIR = (get_objective("recall_at_1"), get_objective("opis"))


@pytest.fixture
def store(tiny: TinySweep) -> Iterator[Store]:
    opened = Store.open(Home(path=tiny.home).store_url, create=False)
    yield opened
    opened.close()


# A sweep that a real Ray has carried out


def test_controls_and_samples_are_recorded_whole(store: Store) -> None:
    sweep, trials = store.sweep("tiny"), store.trials("tiny")
    assert sweep.state is SweepState.COMPLETE
    assert sweep.finished_at is not None
    assert [trial.number for trial in trials] == [*range(7)]
    # For each loss the control, the paper's default and the centre of the space.
    assert [trial.control for trial in trials] == [True, False, False] * 2 + [False]
    assert [trial.config["loss"] for trial in trials[:4:3]] == ["smooth_ap", "multi_similarity"]
    for trial in trials:
        config = TrialConfig.model_validate(trial.config)
        assert config.model_dump(mode="json") == trial.config
        assert config.is_control is trial.control
        assert (config.embedding_dim, config.batch_size, config.epochs) == (16, 16, 2)
        assert trial.sampled.items() <= trial.config.items()
        assert trial.finished_at is not None
        assert trial.finished_at >= trial.started_at


def test_what_cannot_be_trained_failed_with_its_reason(store: Store) -> None:
    trials = store.trials("tiny")
    absurd = {trial.number for trial in trials if trial.config["learning_rate"] > 1}
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    assert {trial.number for trial in failed} == absurd
    assert 1 <= len(failed) <= 3
    assert {trial.reason for trial in failed} == {"the training loss is not finite at epoch 1"}
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    assert len(complete) + len(failed) == 7
    assert {trial.reason for trial in complete} == {None}


def test_each_epoch_is_measured_once(store: Store) -> None:
    complete = [t.number for t in store.trials("tiny") if t.state is TrialState.COMPLETE]
    measurements = store.measurements("tiny")
    assert Counter((m.number, m.epoch) for m in measurements) == {
        (number, epoch): 1 for number in complete for epoch in (1, 2)
    }
    assert {m.split for m in measurements} == {"validation"}
    for measurement in measurements:
        assert {"recall_at_1", "opis", "opis_10", "map_at_r"} <= measurement.metrics.keys()
        assert all(map(math.isfinite, measurement.metrics.values()))


def test_the_baselines_are_scored_as_trials_are(tiny: TinySweep, store: Store) -> None:
    pixels, trunk = store.baselines("tiny")
    assert (pixels.name, pixels.label, pixels.fields) == ("raw_pixels", "raw pixels", {})
    assert (trunk.name, trunk.label) == ("untouched_trunk", "untouched trunk")
    assert trunk.fields == {
        "backbone": "test_efficientnet_gn",
        "pretrained": False,
        "weights": None,
        "pooling": "default",
    }
    data = load_data(DataConfig(name="digits"))
    config = TrialConfig.model_validate(store.trials("tiny")[0].config)
    settings: dict[str, Any] = {"device": torch.device("cpu"), "calibration": Calibration()}
    assert pixels.metrics == pytest.approx(score_raw_pixels(data, **settings))
    assert trunk.metrics == pytest.approx(score_untouched_trunk(config, data, **settings), rel=1e-3)
    # Before any trial.
    assert max(pixels.recorded_at, trunk.recorded_at) < store.trials("tiny")[0].started_at
    assert "baseline  raw pixels  Recall@1 1  OPIS 0.00" in tiny.ran.out
    assert "undertrained: no trial beats raw pixels in Recall@1 (1; trial " in tiny.ran.out


def test_provenance(store: Store) -> None:
    found = store.sweep("tiny").provenance
    data = load_data(DataConfig(name="digits"))
    assert found["data"] == {
        "name": "digits",
        "fingerprint": data.fingerprint,
        "images": 1797,
        "train_classes": 5,
    }
    assert {"torch", "ray", "optuna", "mlflow"} <= found["versions"].keys()


def test_mlflow_mirrors_it(tiny: TinySweep, store: Store) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Home(path=tiny.home).tracking_uri)
    [experiment] = [e for e in client.search_experiments() if e.name == "tcm-sweeps"]
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {
        int(run.data.tags["sweeps.key"].partition("/")[2]): run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    trials = {trial.number: trial for trial in store.trials("tiny")}
    assert children.keys() == trials.keys()
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["sweeps.key"] == "tiny"
    assert parent.data.metrics["baseline.raw_pixels.recall_at_1"] == 1
    assert parent.data.tags["undertrained"].startswith("undertrained: no trial beats raw pixels")
    front = rank_trials("tiny", PAIR, trials.values(), store.measurements("tiny"))
    assert parent.data.metrics["hypervolume"] == pytest.approx(front.hypervolume)
    on_front = client.search_runs([experiment.experiment_id], "tags.front_rank = '0'")
    assert {run.info.run_id for run in on_front} == {
        children[member.number].info.run_id for member in front.front
    }
    for number, trial in trials.items():
        run = children[number]
        complete = trial.state is TrialState.COMPLETE
        assert run.info.status == ("FINISHED" if complete else "FAILED")
        assert run.data.tags["control"] == str(trial.control).lower()
        assert run.data.params["loss"] == trial.config["loss"]
        history = client.get_metric_history(run.info.run_id, "recall_at_1")
        assert [metric.step for metric in history] == ([1, 2] if complete else [])
    artifacts = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert artifacts == {"front.json", "front.csv", "front.html", "front.png", "spec.yaml"}
    assert list((tiny.home / "mlflow-artifacts").rglob("front.png"))


def test_the_front_is_written_to_files(tiny: TinySweep, store: Store) -> None:
    folder = tiny.home / "fronts" / "tiny"
    rows = list(csv.DictReader((folder / "front.csv").read_text().splitlines()))
    front = rank_trials("tiny", PAIR, store.trials("tiny"), store.measurements("tiny"))
    numbers = [int(row["number"]) for row in rows if not row["baseline"]]
    assert numbers == [row.number for row in front.trials]
    assert [row["baseline"] for row in rows][len(numbers) :] == ["raw_pixels", "untouched_trunk"]
    assert float(rows[0]["recall_at_1"]) == front.trials[0].values["recall_at_1"]
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (folder / "front.html").read_text()[:2000].lower()


def test_the_exported_margins_train(tiny: TinySweep) -> None:
    margins = read_tuned_margins(tiny.margins)
    assert margins.epoch == 2
    assert margins.data.train_classes == 5
    loss = load_tuned_margins(tiny.margins)
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 4)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    features, labels = torch.randn(16, 8), torch.arange(4).repeat_interleave(4)
    values = []
    for _ in range(10):
        value = loss(torch.nn.functional.normalize(head(features), dim=1), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert all(map(math.isfinite, values))
    assert values[-1] < values[0]


def test_a_taken_name_changes_nothing(
    tiny: TinySweep, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nor does it cost a decoding of the data.
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: pytest.fail("started"))
    before = (store.sweeps(), store.trials("tiny"), store.measurements("tiny"))
    with pytest.raises(InputError, match="a sweep called 'tiny' exists already"):
        run_sweep(load_spec(tiny.spec), home=Home(path=tiny.home))
    assert (store.sweeps(), store.trials("tiny"), store.measurements("tiny")) == before


def test_a_machine_that_is_too_small_decodes_nothing(
    tiny: TinySweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_small(*_: Any) -> None:
        raise InputError("a trial needs 3, and this machine has 2", field="resources.cpu")

    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", too_small)
    monkeypatch.setattr(sweeps.execution.run, "open_data", lambda *_: pytest.fail("opened"))
    with pytest.raises(InputError, match=r"^resources\.cpu: a trial needs 3"):
        run_sweep(load_spec(tiny.spec), home=Home(path=tmp_path / "home"))
    assert not (tmp_path / "home").exists()


# A sweep that breaks, on a real Ray


def _breaking(folder: Path) -> type[TrialTrainable]:
    """Make a trainable of which trial 0 kills its first process, and trials 1, 2 and 4 raise.

    Made in a function: Ray then sends the class itself, for a worker cannot import a test.
    """
    died = folder / "died"

    class Breaking(TrialTrainable):
        def _begin(self, config: dict[str, Any]) -> None:
            self._number = config["number"]
            if self._number in (2, 4):  # in a fresh actor after trial 1, in a reused one after 3
                raise OSError(f"trial {self._number} cannot begin")
            super()._begin(config)

        def step(self) -> dict[str, Any]:
            if self._number == 0 and not died.exists():
                died.touch()
                os._exit(1)
            if self._number == 1:
                raise KeyError("no such thing")
            return super().step()

    return Breaking


@pytest.fixture(scope="module")
def broken(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the home of a sweep that was interrupted, after some of its runs had failed."""
    folder = tmp_path_factory.mktemp("broken")
    spec, home = folder / "tiny.yaml", Home(path=folder / "home")
    # One at a time, so that what breaks has broken before the interrupt.
    raw = yaml.safe_load(command.tiny) | {"budget": {"trials": 4, "max_concurrent": 1}}
    del raw["space"]["learning_rate"]
    spec.write_text(yaml.safe_dump(raw))
    refresh = LiveProgress.refresh

    def interrupted(self: LiveProgress, *, force: bool = False) -> None:
        refresh(self, force=True)
        if not force and any(m.number == 5 for m in self._store.measurements("tiny")):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps.execution.trials, "TrialTrainable", _breaking(folder))
        patch.setattr(LiveProgress, "refresh", interrupted)
        ran = command("run", spec, "--home", home.path)
    assert ran.code == 130, ran
    assert ran.err.splitlines() == [
        "tiny is paused, and nothing that has ended is lost; go on with: "
        f"sweeps resume tiny --home {home.path}",
        "interrupted",
    ]
    return home.path


def test_a_run_whose_process_dies_is_run_again_and_one_that_raises_is_not(broken: Path) -> None:
    with Store.open(Home(path=broken).store_url, create=False) as store:
        trials, attempts = store.trials("tiny"), store.attempts("tiny")
        assert store.sweep("tiny").state is SweepState.PAUSED
        assert store.sweep("tiny").driver is None
    states = {trial.number: trial.state.value for trial in trials}
    assert states[0] == states[3] == "COMPLETE"
    assert [states[number] for number in (1, 2, 4)] == ["FAILED"] * 3
    assert states[5] == "LOST"
    assert [trial.reason for trial in trials if trial.reason] == [
        "KeyError: 'no such thing'",
        "OSError: trial 2 cannot begin",
        "OSError: trial 4 cannot begin",
        "the sweep was interrupted",
    ]
    first, again = [each for each in attempts if each.number == 0]
    assert (first.state, first.kind) == (TrialState.LOST, "lost")
    assert (first.reason or "").startswith("the actor died: its worker process has died.")
    assert len(first.reason or "") < 300
    assert (again.attempt, again.state, again.kind) == (1, TrialState.COMPLETE, None)
    [raised] = [each for each in attempts if each.number == 1]
    assert raised.kind == "error"
    assert "in step" in (raised.traceback or "")


def test_the_stack_of_an_error_is_shown(broken: Path, command: Command) -> None:
    shown = command("status", "tiny", "--failures", "--home", broken).out
    first, _ = [line for line in shown.splitlines() if "LOST" in line]
    assert re.match(r"trial 0 seed 0 attempt 0( on \S+)?: LOST \(lost\): the actor died: ", first)
    assert "KeyError: 'no such thing'" in shown
    assert "in step" in shown


def test_a_sweep_that_was_interrupted_goes_on(
    broken: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(path=broken)
    with Store.open(home.store_url, create=False) as store:
        before = store.measurements("tiny")
        taken = command("run", broken.parent / "tiny.yaml", "--home", broken)
        assert taken.code == 2
        assert taken.err == (
            "error: a sweep called 'tiny' exists already and is not finished (PAUSED): --resume "
            "it, or choose another --name or --home\n"
        )
        ran = command("run", broken.parent / "tiny.yaml", "--home", broken, "--resume")
        assert ran.code == 0, ran
        after, attempts = store.measurements("tiny"), store.attempts("tiny")
        assert store.sweep("tiny").state is SweepState.COMPLETE
        assert [each for each in after if each in before] == [*before]
        assert Counter((a.number, a.state.value) for a in attempts if a.number in (1, 2, 4)) == {
            (number, "FAILED"): 1 for number in (1, 2, 4)
        }
        assert [a.state.value for a in attempts if a.number == 5] == ["LOST", "COMPLETE"]
        assert {t.state.value for t in store.trials("tiny")} == {"COMPLETE", "FAILED"}
        # Over, so that nothing is to be done.
        monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: pytest.fail("started"))
        assert command("resume", "tiny", "--home", broken).code == 0
        assert store.attempts("tiny") == attempts


# Without Ray


def test_an_error_in_the_driver_leaves_the_sweep_failed(
    tiny: TinySweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        opened.add_trial("tiny", 0, config={"seed": 0}, sampled={}, control=False)
        raise RuntimeError("a programming error")

    home = Home(path=tmp_path / "home")
    opened = Store.open(home.store_url)
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: nullcontext())
    monkeypatch.setattr(sweeps.execution.run, "_tune", broken)
    with pytest.raises(RuntimeError, match="a programming error"):
        run_sweep(load_spec(tiny.spec), home=home)
    assert opened.sweep("tiny").state is SweepState.FAILED
    [trial] = opened.trials("tiny")
    assert (trial.state, trial.reason) == (TrialState.LOST, "the sweep failed")
    opened.close()
