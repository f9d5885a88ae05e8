import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives import get_objective, hypervolume
from sweeps.store import Store, SweepState, TrialState
from sweeps.tracking import EXPERIMENT, MirrorThread, MlflowMirror
from trainer import Split

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning",
)

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = (get_objective("recall_at_1"), get_objective("opis"))
SPEC = {"name": "demo", "space": {"margin_positive": {"low": 0.6, "high": 0.95}}, "losses": ["a"]}
PROVENANCE = {"data": {"fingerprint": "abc123"}, "versions": {"torch": "2.11"}}


class Clock:
    """A minute later at each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def add(store: Store, number: int, *, control: bool = False, sweep: str = "demo") -> None:
    config = {"margin_positive": 0.6 + number / 100, "loss": "smooth_ap", "seed": 0}
    sampled = {"margin_positive": config["margin_positive"]}
    store.add_trial(sweep, number, config=config, sampled=sampled, control=control)


def measure(
    store: Store,
    number: int,
    recall: float,
    opis: float,
    *,
    epoch: int = 1,
    seed: int = 0,
    split: Split = "validation",
    sweep: str = "demo",
) -> None:
    metrics = {"recall_at_1": recall, "opis": opis}
    store.record_measurement(sweep, number, epoch=epoch, seed=seed, split=split, metrics=metrics)


@contextmanager
def breaking_at_call(number: int) -> Iterator[None]:
    """Lose the connection at one call of an MlflowClient that writes, counted from 0.

    Even calls break before they arrive, odd ones after.
    """
    from mlflow import MlflowClient

    names = ("create_experiment", "create_run", "log_batch", "set_tag", "set_terminated")
    left = number

    def breaking(call: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1 and number % 2 == 0:
                raise ConnectionError("lost before")
            result = call(*args, **kwargs)
            if left == -1:
                raise ConnectionError("lost after")
            return result

        return replacement

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(MlflowClient, name, breaking(getattr(MlflowClient, name)))
        yield


@dataclass
class Place:
    """A store and an MLflow database, with a sweep part of the way."""

    store: Store
    uri: str
    root: Path
    client: Any

    def mirror(self, sweep: str = "demo") -> MlflowMirror:
        """A new mirror, as after a crash."""
        return MlflowMirror(self.store, sweep, tracking_uri=self.uri, artifact_root=self.root)

    def runs(self, condition: str = "") -> list[Any]:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        return list(self.client.search_runs([experiment.experiment_id], condition))

    def run(self, key: str) -> Any:
        (run,) = self.runs(f"tags.`sweeps.key` = '{key}'")
        return run

    def history(self, key: str, metric: str) -> list[tuple[int, float]]:
        entries = self.client.get_metric_history(self.run(key).info.run_id, metric)
        return sorted((entry.step, entry.value) for entry in entries)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database to copy: making one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def place(empty_database: Path, tmp_path: Path) -> Iterator[Place]:
    from mlflow import MlflowClient

    shutil.copy(empty_database, tmp_path / "mlflow.db")
    store = Store.open(f"sqlite:///{tmp_path}/sweeps.db", clock=Clock())
    store.create_sweep("demo", spec=SPEC, provenance=PROVENANCE, objectives=PAIR)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    root = tmp_path / "artifacts"
    yield Place(store=store, uri=uri, root=root, client=MlflowClient(tracking_uri=uri))
    store.close()


def half_way(store: Store) -> None:
    """Two finished trials of two epochs, one running with one."""
    for number, recall, opis in ((0, 0.6, 0.01), (1, 0.7, 0.005)):
        add(store, number)
        for epoch in (1, 2):
            measure(store, number, recall * epoch / 2, opis, epoch=epoch)
        store.finish_trial("demo", number, TrialState.COMPLETE)
    add(store, 2, control=True)
    measure(store, 2, 0.4, 0.02)


def the_rest(store: Store) -> None:
    measure(store, 2, 0.9, 0.02, epoch=2)
    store.finish_trial("demo", 2, TrialState.COMPLETE)
    add(store, 3)
    store.finish_trial("demo", 3, TrialState.FAILED, "the loss is not finite")
    add(store, 4)
    measure(store, 4, 0.1, 0.1)
    store.finish_trial("demo", 4, TrialState.PRUNED, "dominated at epoch 1")
    store.finish_sweep("demo", SweepState.COMPLETE)


def test_parent_run_has_spec_environment_and_key(place: Place) -> None:
    place.mirror().mirror()
    (parent,) = place.runs()
    assert parent.info.run_name == "demo"
    assert parent.info.status == "RUNNING"
    assert parent.info.start_time == milliseconds(place.store.sweep("demo").created_at)
    assert parent.data.params["space.margin_positive.low"] == "0.6"
    assert parent.data.params["losses"] == '["a"]'
    assert parent.data.tags["provenance.data.fingerprint"] == "abc123"
    assert parent.data.tags["provenance.versions.torch"] == "2.11"
    assert parent.data.tags["sweeps.key"] == "demo"


def test_trials_are_nested_runs_with_parameters_and_metrics_by_epoch(place: Place) -> None:
    half_way(place.store)
    place.mirror().mirror()
    parent = place.run("demo")
    nested = place.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert sorted(run.info.run_name for run in nested) == ["demo/0000", "demo/0001", "demo/0002"]
    first, record = place.run("demo/1"), place.store.trials("demo")[1]
    assert first.data.params == {"margin_positive": "0.61", "loss": "smooth_ap", "seed": "0"}
    assert place.history("demo/1", "recall_at_1") == [(1, 0.35), (2, 0.7)]
    assert place.history("demo/2", "recall_at_1") == [(1, 0.4)]
    assert (first.info.status, place.run("demo/2").info.status) == ("FINISHED", "RUNNING")
    assert record.finished_at is not None
    assert first.info.start_time == milliseconds(record.started_at)
    assert first.info.end_time == milliseconds(record.finished_at)
    entry = place.client.get_metric_history(first.info.run_id, "opis")[0]
    assert entry.timestamp == milliseconds(place.store.measurements("demo")[2].recorded_at)
    assert [run.data.tags["control"] for run in map(place.run, ("demo/1", "demo/2"))] == [
        "false",
        "true",
    ]


def test_what_is_mirrored_is_marked(place: Place) -> None:
    half_way(place.store)
    assert place.store.unmirrored("demo")
    place.mirror().mirror()
    assert not place.store.unmirrored("demo")


def test_front_is_searchable_and_follows_the_ranks(place: Place) -> None:
    half_way(place.store)
    mirror = place.mirror()
    mirror.mirror()
    front = "tags.front_rank = '0'"
    assert [run.info.run_name for run in place.runs(front)] == ["demo/0001"]
    assert place.run("demo/0").data.tags["front_rank"] == "1"
    assert "front_rank" not in place.run("demo/2").data.tags
    the_rest(place.store)
    add(place.store, 5)
    measure(place.store, 5, 0.8, 0.004)
    place.store.finish_trial("demo", 5, TrialState.COMPLETE)
    mirror.mirror()
    assert {run.info.run_name for run in place.runs(front)} == {"demo/0002", "demo/0005"}
    ranks = [place.run(f"demo/{n}").data.tags.get("front_rank") for n in range(6)]
    assert ranks == ["2", "1", "0", None, None, "0"]


def test_hypervolume_is_a_metric_by_number_of_finished_trials(place: Place) -> None:
    half_way(place.store)
    mirror = place.mirror()
    mirror.mirror()
    points = [[0.6, 0.01], [0.7, 0.005], [0.9, 0.02]]
    expected: list[tuple[int, Any]] = [
        (k, pytest.approx(hypervolume(points[:k], PAIR))) for k in (1, 2, 3)
    ]
    assert place.history("demo", "hypervolume") == expected[:2]
    the_rest(place.store)
    mirror.mirror()
    assert place.history("demo", "hypervolume") == expected


def test_a_further_seed_lowers_the_latest_hypervolume(place: Place) -> None:
    half_way(place.store)
    place.mirror().mirror()
    measure(place.store, 1, 0.5, 0.005, epoch=2, seed=1)
    place.mirror().mirror()
    points = [[0.6, 0.01], [0.6, 0.005]]
    latest = place.run("demo").data.metrics["hypervolume"]
    assert latest == pytest.approx(hypervolume(points, PAIR))


def test_other_seeds_and_splits_have_names_of_their_own(place: Place) -> None:
    half_way(place.store)
    measure(place.store, 0, 0.1, 0.1, epoch=2, seed=3)
    measure(place.store, 0, 0.2, 0.1, epoch=2, split="test")
    measure(place.store, 0, 0.3, 0.1, epoch=2, seed=3, split="test")
    place.mirror().mirror()
    metrics = place.run("demo/0").data.metrics
    names = ("recall_at_1", "seed_3/recall_at_1", "test/recall_at_1", "test/seed_3/recall_at_1")
    assert [metrics[name] for name in names] == [0.6, 0.1, 0.2, 0.3]


def test_failed_and_pruned_trials_have_status_and_reason(place: Place) -> None:
    half_way(place.store)
    the_rest(place.store)
    place.mirror().mirror()
    failed, pruned = place.run("demo/3"), place.run("demo/4")
    assert (failed.info.status, pruned.info.status) == ("FAILED", "KILLED")
    assert failed.data.tags["reason"] == "the loss is not finite"
    assert pruned.data.tags["state"] == "PRUNED"


def test_nothing_is_there_twice_after_crash_upon_crash(place: Place) -> None:
    """Break the connection ever later, until it holds; no mirror knows of the one before."""
    half_way(place.store)
    attempts = 0
    while True:
        mirror = place.mirror()
        try:
            with breaking_at_call(attempts):
                mirror.mirror()
        except ConnectionError:
            assert place.store.unmirrored("demo")
            attempts += 1
            continue
        break
    assert attempts > 5
    place.mirror().replay()
    assert sorted(run.info.run_name for run in place.runs()) == [
        "demo",
        "demo/0000",
        "demo/0001",
        "demo/0002",
    ]
    assert place.history("demo/1", "recall_at_1") == [(1, 0.35), (2, 0.7)]
    assert len(place.history("demo", "hypervolume")) == 2
    assert place.run("demo/1").data.params["loss"] == "smooth_ap"
    assert place.run("demo/1").info.status == "FINISHED"
    assert not place.store.unmirrored("demo")


def test_one_mirror_recovers_after_its_connection_broke(place: Place) -> None:
    half_way(place.store)
    mirror = place.mirror()
    with breaking_at_call(6), pytest.raises(ConnectionError):
        mirror.mirror()
    mirror.mirror()
    assert len(place.runs()) == 4
    assert not place.store.unmirrored("demo")


def test_replay_fills_an_empty_server(place: Place) -> None:
    half_way(place.store)
    the_rest(place.store)
    place.mirror().finish()
    before = {run.info.run_name: (run.data.params, run.data.metrics) for run in place.runs()}
    # As if the server had lost everything.
    for run in place.runs():
        place.client.delete_run(run.info.run_id)
    assert not place.runs()
    place.mirror().replay()
    after = {run.info.run_name: (run.data.params, run.data.metrics) for run in place.runs()}
    assert after == before
    assert place.run("demo").info.status == "FINISHED"


def test_a_sweep_of_the_same_name_in_another_home_has_a_run_of_its_own(
    place: Place, tmp_path: Path
) -> None:
    half_way(place.store)
    place.mirror().mirror()
    clock = Clock()
    clock.now += timedelta(days=1)
    store = Store.open(f"sqlite:///{tmp_path}/other.db", clock=clock)
    store.create_sweep("demo", spec=SPEC, provenance=PROVENANCE, objectives=PAIR)
    other = Place(store=store, uri=place.uri, root=place.root, client=place.client)
    other.mirror().mirror()
    store.close()
    assert len(place.runs("tags.`sweeps.key` = 'demo'")) == 2


def test_runs_of_a_renamed_sweep_get_its_name_and_none_is_made_twice(place: Place) -> None:
    half_way(place.store)
    place.mirror().mirror()
    before = {run.info.run_id: (run.data.params, run.data.metrics) for run in place.runs()}
    place.store.rename_sweep("demo", "better")
    # Part of the way, as in a crash: what still has the old name gets the new one later.
    with breaking_at_call(2), pytest.raises(ConnectionError):
        place.mirror("better").mirror()
    assert len(place.runs("tags.`sweeps.key` LIKE 'demo%'")) in (2, 3)
    add(place.store, 3, sweep="better")
    place.mirror("better").replay()
    names = {run.info.run_name: run.data.tags["sweeps.key"] for run in place.runs()}
    assert names == {"better": "better"} | {f"better/{n:04d}": f"better/{n}" for n in range(4)}
    assert before.keys() < {run.info.run_id for run in place.runs()}
    for run in place.runs():
        params, metrics = before.get(run.info.run_id, (run.data.params, {}))
        assert params == run.data.params
        assert metrics.items() <= run.data.metrics.items()
    parent = place.run("better")
    assert parent.data.params["name"] == "demo"  # which MLflow keeps
    folder = place.root / EXPERIMENT / parent.info.run_id / "artifacts"
    assert json.loads((folder / "front.json").read_text())["sweep"] == "better"


def test_deleted_runs_are_those_of_the_sweep(place: Place) -> None:
    half_way(place.store)
    place.mirror().mirror()
    place.store.create_sweep("other", spec=SPEC, provenance=PROVENANCE, objectives=PAIR)
    add(place.store, 0, sweep="other")
    place.mirror("other").mirror()
    for _ in range(2):  # a second time is no news
        place.mirror().delete()
        assert {run.info.run_name for run in place.runs()} == {"other", "other/0000"}
    [experiment] = place.client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
    deleted = place.client.search_runs([experiment.experiment_id], run_view_type=2)
    assert {run.info.run_name for run in deleted} == {"demo", *(f"demo/{n:04d}" for n in range(3))}


def test_an_interrupted_deletion_can_be_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    half_way(place.store)
    place.mirror().mirror()
    delete_run, left = MlflowClient.delete_run, 2

    def breaking(self: Any, run: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise ConnectionError("lost")
        delete_run(self, run)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "delete_run", breaking)
        with pytest.raises(ConnectionError):
            place.mirror().delete()
    assert len(place.runs()) == 3
    place.mirror().delete()
    assert place.runs() == []


def test_where_mlflow_never_was_nothing_is_made(place: Place, tmp_path: Path) -> None:
    place.mirror().delete()  # no experiment yet
    uri = f"sqlite:///{tmp_path}/none/mlflow.db"
    mirror = MlflowMirror(place.store, "demo", tracking_uri=uri, artifact_root=place.root)
    mirror.delete()
    mirror.rename()
    assert not (tmp_path / "none").exists()


def test_finish_puts_the_front_on_the_parent_and_ends_it(place: Place) -> None:
    half_way(place.store)
    the_rest(place.store)
    place.mirror().finish()
    parent = place.run("demo")
    names = {entry.path for entry in place.client.list_artifacts(parent.info.run_id)}
    assert names == {"front.json", "front.csv", "front.html", "front.png", "spec.yaml"}
    folder = place.root / EXPERIMENT / parent.info.run_id / "artifacts"
    assert yaml.safe_load((folder / "spec.yaml").read_text()) == SPEC
    front = json.loads((folder / "front.json").read_text())
    assert [row["number"] for row in front["trials"] if row["rank"] == 0] == [2, 1]
    ended = place.store.sweep("demo").finished_at
    assert ended is not None
    assert (parent.info.status, parent.info.end_time) == ("FINISHED", milliseconds(ended))
    assert not place.store.unmirrored("demo")


@pytest.mark.parametrize(
    ("state", "status"), [(SweepState.PAUSED, "KILLED"), (SweepState.FAILED, "FAILED")]
)
def test_an_ended_sweep_runs_again_when_it_is_resumed(
    place: Place, state: SweepState, status: str
) -> None:
    place.store.finish_sweep("demo", state)
    place.mirror().finish()
    assert place.run("demo").info.status == status
    place.store.resume_sweep("demo")
    place.mirror().mirror()
    assert place.run("demo").info.status == "RUNNING"
    place.store.finish_sweep("demo", SweepState.COMPLETE)
    place.mirror().finish()
    assert place.run("demo").info.status == "FINISHED"


def test_more_entries_than_a_call_takes(place: Place) -> None:
    config = {f"parameter_{n}": n for n in range(130)} | {"seed": 0}
    place.store.add_trial("demo", 0, config=config, sampled={}, control=False)
    for epoch in range(1, 502):
        measure(place.store, 0, epoch / 1000, 0.1, epoch=epoch)
    place.mirror().mirror()
    assert len(place.run("demo/0").data.params) == 131
    assert len(place.history("demo/0", "opis")) == 501


def test_the_sweep_goes_on_when_the_server_is_gone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    half_way(place.store)
    uri = "http://127.0.0.1:9"  # the discard port: nobody listens
    mirror = MlflowMirror(place.store, "demo", tracking_uri=uri, artifact_root=None)
    with caplog.at_level(logging.WARNING), MirrorThread(mirror, interval=0) as thread:
        the_rest(place.store)
    assert thread.last_error is not None
    told = [record for record in caplog.records if record.name.startswith("sweeps")]
    assert len(told) == 1
    assert len(place.store.unmirrored("demo").trials) == 5
    place.mirror().finish()
    assert not place.store.unmirrored("demo")


def test_mlflow_is_not_imported_until_it_is_needed() -> None:
    code = "import sys, sweeps.tracking; print([m for m in sys.modules if m in HEAVY])"
    heavy = ("mlflow", "plotly", "matplotlib")
    command = [sys.executable, "-c", code.replace("HEAVY", repr(heavy))]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_baselines_are_metrics_and_tags_of_the_parent(place: Place) -> None:
    held: dict[str, Any] = {"split": "validation", "metrics": {"recall_at_1": 0.999, "opis": 0.1}}
    place.store.record_baseline("demo", 0, name="raw_pixels", label="raw pixels", **held)
    failed = {"metrics": None, "reason": "no weights"}
    place.store.record_baseline("demo", 1, name="trunk", label="trunk", **held | failed)
    place.mirror().mirror()
    other = {"split": "test"}
    place.store.record_baseline("demo", 0, name="raw_pixels", label="raw", **held | other)
    half_way(place.store)
    place.mirror().finish()
    run = place.run("demo")
    assert run.data.metrics["baseline.raw_pixels.recall_at_1"] == 0.999
    assert run.data.metrics["baseline.raw_pixels.opis"] == 0.1
    assert run.data.metrics["test/baseline.raw_pixels.recall_at_1"] == 0.999
    assert run.data.tags["baseline.trunk"] == "trunk: no weights"
    assert run.data.tags["undertrained"].startswith("undertrained: no trial beats raw pixels")
    assert not place.store.unmirrored("demo")
    place.mirror().replay()
    assert place.history("demo", "baseline.raw_pixels.opis") == [(0, 0.1)]
