"""Processes of trials that share a GPU: recycled, packed, told of; on a real Ray without one."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import ray

import sweeps.execution.gpu_notes
from objectives import InputError
from sweeps import Home, RunningSweep, SweepCallback, SweepSpec, TrialState, open_store, run_sweep
from sweeps.execution.gpu_notes import gpu_notes
from sweeps.execution.packing import found_demand, packed
from sweeps.spec import MemoryDemand
from sweeps.store import Store

from .sharing import GIB, PIPES

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

ROOT = Path(__file__).parents[3]


def spec_of(kind: str, *, trials: int = 5, at_once: int | None = 1, **more: Any) -> SweepSpec:
    return SweepSpec.model_validate(
        {
            "name": "shared",
            "workload": f"tests.sweeps.execution.sharing:{kind}",
            "space": {"trade": {"low": 0.1, "high": 1}},
            "trial": {"last_epoch": 2},
            "seeds": 1,
            "budget": {"trials": trials, "max_concurrent": at_once},
            **more,
        }
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    monkeypatch.setenv(PIPES, "/pipes")
    return Home(path=tmp_path / "home")


def trials_of_processes(store: Store) -> dict[float, set[int]]:
    found = defaultdict(set)
    for measurement in store.measurements("shared"):
        found[measurement.metrics["process"]].add(measurement.number)
    return found


@pytest.mark.ray
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_process_that_holds_more_and_more_is_replaced_and_no_trial_is_lost(
    home: Home, at_once: int
) -> None:
    run_sweep(spec_of("leaking", at_once=at_once), home=home)
    with open_store(home.store_url) as store:
        trials, measurements = store.trials("shared"), store.measurements("shared")
        processes = trials_of_processes(store)
    assert [trial.number for trial in trials] == list(range(6))
    assert {(trial.state, trial.reason) for trial in trials} == {(TrialState.COMPLETE, None)}
    assert Counter((m.number, m.epoch) for m in measurements) == {
        (number, epoch): 1 for number in range(6) for epoch in (1, 2)
    }
    # The second trial of a process is the first after which it holds more.
    assert max(map(len, processes.values())) == 2
    assert len(processes) >= 3
    assert {m.metrics["pipes"] for m in measurements} == {1}


class Witness(SweepCallback):
    def on_sweep_start(self, sweep: RunningSweep) -> None:
        self.notes = sweep.notes


@pytest.mark.ray
def test_trials_hold_what_a_probe_foresees(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2, "GPU": 1}')
    monkeypatch.setattr(sweeps.execution.gpu_notes, "_MPS", "/nowhere")
    monkeypatch.delenv(PIPES)
    witness, auto = Witness(), spec_of("foreseeing", trials=2, resources={"gpu": "auto"})
    run_sweep(auto, home=home, callbacks=[witness])
    with open_store(home.store_url) as store:
        # A process that is well runs every trial.
        assert list(map(len, trials_of_processes(store).values())) == [3]
        sweep, measurements = store.sweep("shared"), store.measurements("shared")
    assert sweep.spec["resources"] == {"cpu": 1, "gpu": 0.3333}
    assert sweep.provenance["gpu_memory"] == {"trial": 3 * GIB, "device": 10 * GIB, "gpu": 0.3333}
    assert {m.metrics["gpu"] for m in measurements} == {0.3333}
    assert witness.notes == (
        "a trial is foreseen to take 3.0 of a GPU's 10.0 GiB, so it holds 0.3333 of one",
    )


@pytest.mark.ray
def test_a_probe_that_fails_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2, "GPU": 1}')
    with pytest.raises(InputError) as caught:
        run_sweep(spec_of("failing", resources={"gpu": "auto"}), home=home)
    assert str(caught.value) == (
        "resources.gpu: what a trial takes could not be foreseen (RuntimeError: no kernel image); "
        "give a number"
    )
    assert not home.path.exists()


def test_auto_asks_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(InputError, match=r"^resources.gpu: 'auto' needs a GPU, and there is none"):
        found_demand(spec_of("foreseeing", resources={"gpu": "auto"}), {})
    given = spec_of("foreseeing", resources={"gpu": 0.5})
    assert found_demand(given, {}) is None
    assert packed(given, None) == given


def test_a_workload_that_foresees_nothing_takes_no_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match="this workload cannot foresee what a trial takes"):
        spec_of("leaking", resources={"gpu": "auto"})


@pytest.mark.parametrize(
    ("gpu", "at_once", "gpus", "note"),
    [
        (0.25, None, 1, "up to 4 trials share a GPU, and take turns on it; with NVIDIA's MPS they"),
        (0.25, 3, 1, "up to 3 trials share a GPU, and take turns on it; with NVIDIA's MPS they"),
        (0.25, 1, 1, None),
        (0.6, None, 1, None),
        (1, None, 1, None),
        (0, None, 1, None),
        (0.25, None, 0, None),
    ],
)
def test_mps_is_named_where_it_would_help(
    gpu: float,
    at_once: int | None,
    gpus: int,
    note: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": float(gpus)})
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(PIPES, str(tmp_path))
    spec = spec_of("leaking", at_once=at_once, resources={"gpu": gpu})
    assert gpu_notes(spec, None, here=False) == ()
    found = gpu_notes(spec, None, here=True)
    if note is None:
        assert found == ()
        return
    assert found[0].startswith(note)
    (tmp_path / "control").touch()
    [runs] = gpu_notes(spec, None, here=True)
    assert runs.endswith("trials compute on a GPU at the same time (MPS runs)")


@pytest.mark.parametrize(
    ("trial", "gpu"),
    [(1, 0.0156), (10, 0.1111), (30, 0.3333), (45, 0.5), (46, 1), (90, 1), (91, 1), (200, 1)],
)
def test_a_share_is_one_of_as_many_as_fit_and_a_tenth_more(trial: int, gpu: float) -> None:
    found = MemoryDemand(trial=trial, device=100).gpu
    assert found == gpu
    assert int(1 / found) * found <= 1
    assert found >= min(1.1 * trial / 100, 1) or found == 1
