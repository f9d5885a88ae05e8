import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from objectives import InputError, get_objective
from sweeps.execution import confirm_sweep
from sweeps.home import Home, kept_seeds
from sweeps.results import ranked_trials
from sweeps.store import Purpose, Store, SweepState, TrialState
from tests.sweeps.command import Command, Ran, TinySweep
from trainer import load_embedder, read_kept_weights, read_tuned_margins

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

PAIR = (get_objective("recall_at_1"), get_objective("opis"))


@pytest.fixture(scope="module")
def home(tiny: TinySweep, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("confirmed") / "home"
    shutil.copytree(tiny.home, folder, ignore=shutil.ignore_patterns("ray"))
    return Home(path=folder)


@pytest.fixture(scope="module")
def picked(home: Home) -> int:
    """A trial with TCM, whose control and default are trials of the sweep too."""
    with Store.open(home.store_url, create=False) as store:
        assert store.trials("tiny")[2].state is TrialState.COMPLETE
    return 2


@pytest.fixture(scope="module")
def ran(command: Command, home: Home, picked: int) -> Ran:
    return command("confirm", "tiny", "--pick", picked, "--seeds", 2, "--home", home.path)


@pytest.fixture
def store(home: Home, ran: Ran) -> Iterator[Store]:
    assert ran.code == 0, ran
    with Store.open(home.store_url, create=False) as opened:
        yield opened


def test_the_pick_its_control_and_its_default_are_scored_on_the_test_classes(
    ran: Ran, store: Store, picked: int
) -> None:
    runs = [run for run in store.replicates("tiny") if run.purpose is Purpose.CONFIRM]
    assert sorted((run.number, run.seed) for run in runs) == [
        (number, 2_000_000 + k) for number in (0, 1, 2) for k in (0, 1)
    ]
    assert {run.state for run in runs} == {TrialState.COMPLETE}
    measured = [m for m in store.measurements("tiny") if m.purpose is Purpose.CONFIRM]
    assert [(m.split, m.epoch) for m in measured] == [("test", 2)] * 6
    pairs = ranked_trials(store, "tiny").confirmed[picked]
    assert [(pair.role, pair.number) for pair in pairs] == [("control", 0), ("default", 1)]
    assert "control (trial 0)" in ran.out
    assert f"trial {picked}, on the test classes, against the control: " in ran.out


def test_the_sweep_and_its_front_are_as_before(tiny: TinySweep, store: Store) -> None:
    with Store.open(Home(path=tiny.home).store_url, create=False) as before:
        assert store.sweep("tiny").state is SweepState.COMPLETE
        assert store.trials("tiny") == before.trials("tiny")
        assert ranked_trials(store, "tiny").trials == ranked_trials(before, "tiny").trials


def test_mlflow_has_the_differences(home: Home, store: Store, picked: int) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=home.tracking_uri)
    [experiment] = client.search_experiments(filter_string="name = 'tcm-sweeps'")
    [run] = client.search_runs(
        [experiment.experiment_id], filter_string=f"tags.`sweeps.key` = 'tiny/{picked}'"
    )
    for pair in ranked_trials(store, "tiny").confirmed[picked]:
        for name, found in pair.differences.items():
            key = f"test/difference.{pair.role}.{name}"
            assert run.data.metrics[key] == pytest.approx(found.value)
            assert run.data.metrics[f"{key}.low"] <= found.value
    assert "test/seed_2000000/recall_at_1" in run.data.metrics


def test_the_first_runs_weights_are_what_was_measured(
    command: Command, home: Home, store: Store, picked: int, tmp_path: Path
) -> None:
    [file] = home.kept("tiny").glob("*.pt")
    assert kept_seeds(home.kept("tiny"), number=picked) == [2_000_000]
    kept = read_kept_weights(file)
    runs = {m.seed: m for m in store.measurements("tiny") if m.split == "test"}
    measured = next(
        m for m in store.measurements("tiny") if (m.number, m.seed) == (picked, 2_000_000)
    )
    assert runs.keys() == {2_000_000, 2_000_001}
    assert kept.metrics == measured.metrics
    embedder = load_embedder(file)
    assert not embedder.training
    assert embedder(torch.zeros(2, embedder.channels, 8, 8)).shape == (2, 16)

    margins = tmp_path / "margins.yaml"
    words = ("export", "tiny", "--pick", picked, "--force", "--home", home.path, "-o", margins)
    assert command(*words).code == 0
    exported = read_tuned_margins(margins)
    assert exported.weights == "margins-model.pt"
    assert (tmp_path / "margins-model.pt").read_bytes() == file.read_bytes()
    point = exported.operating_point
    assert (point.split, point.distance) == ("test", kept.metrics["operating_threshold"])
    assert point.of == "the weights of margins-model.pt (seed 2000000)"
    assert (point.far, point.frr) == (kept.metrics["operating_far"], kept.metrics["operating_frr"])
    assert exported.confirmed.keys() == {"control", "default"}
    assert {each.split for each in exported.confirmed.values()} == {"test"}
    # Elsewhere the weights are not at hand.
    (home.kept("tiny") / "0002-2000000.pt").rename(tmp_path / "away")
    assert command(*words).code == 0
    exported = read_tuned_margins(margins)
    assert (exported.weights, exported.operating_point.split) == (None, "validation")
    assert exported.operating_point.of.startswith("a model that was not kept")
    (tmp_path / "away").rename(file)


@pytest.mark.usefixtures("ran")
def test_test_classes_are_scored_once(command: Command, home: Home) -> None:
    again = command("confirm", "tiny", "--home", home.path)
    assert again.code == 2
    assert again.err.startswith("error: the test classes of tiny were scored on 20")
    assert "with --again they are scored once more" in again.err


@pytest.mark.usefixtures("ran")
def test_what_cannot_be_confirmed(home: Home) -> None:
    with pytest.raises(InputError, match="there is no sweep called 'other'"):
        confirm_sweep("other", home=home)
    with pytest.raises(InputError, match=r"^pick: trial 99 of tiny has not completed$"):
        confirm_sweep("tiny", pick=["99"], again=True, home=home)
    with pytest.raises(InputError, match=r"^seeds: must be 2 or more, not 1$"):
        confirm_sweep("tiny", seeds=1, home=home)
    with Store.open(home.store_url, create=False) as store:
        spec: dict[str, object] = {
            "name": "a",
            "workload": "simulated",
            "space": {"trade": [0.0, 1.0]},
        }
        spec["budget"] = {"trials": 1}
        store.create_sweep("a", spec=spec, provenance={})
        gone = spec | {"workload": "no.such:thing"}
        store.create_sweep("b", spec=gone, provenance={}, objectives=PAIR)
    with pytest.raises(InputError, match=r"^a: what its workload trains cannot be confirmed$"):
        confirm_sweep("a", home=home)
    with pytest.raises(InputError, match=r"no\.such"):
        confirm_sweep("b", home=home)
