import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
from safetensors.torch import save_file

from objectives import InputError
from sweeps import SweepPlan, plan_sweep
from sweeps.spec import Forecast, MemoryDemand, SweepSpec
from sweeps.spec.simulated import workload as simulated
from tests.trainer.data.official.trees import cub

SIMULATED: dict[str, Any] = {
    "name": "fake",
    "workload": "simulated",
    "space": {"trade": {"low": 0.1, "high": 1}},
    "seeds": 1,
    "budget": {"trials": 12},
}
DIGITS: dict[str, Any] = {
    "name": "tiny",
    "data": {"name": "digits"},
    "space": {"margin_positive": {"low": 0.6, "high": 0.9}},
    "trial": {"backbone": "test_resnet", "embedding_dim": 8, "epochs": 2, "batch_size": 16},
    "seeds": 1,
    "budget": {"trials": 4},
}


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def made(raw: dict[str, Any], folder: Path = Path("none"), **changes: Any) -> SweepPlan:
    return plan_sweep(SweepSpec.model_validate(raw | changes), cache=folder)


def test_a_workload_that_foresees_nothing(tmp_path: Path) -> None:
    plan = made(SIMULATED, tmp_path / "cache")
    assert (plan.trials, plan.controls, plan.at_once, plan.seconds) == (12, 1, 8, None)
    assert plan.forecast.unknown == "the workload does not say"
    assert [(each.number, each.control) for each in plan.first] == [
        (0, True),
        (1, False),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("resources", "most", "gpus", "at_once"),
    [
        ({"cpu": 1}, None, 0, 8),
        ({"cpu": 3}, None, 0, 2),
        ({"cpu": 9}, None, 0, None),
        ({"cpu": 1}, 3, 0, 3),
        ({"cpu": 1, "gpu": 0.5}, None, 1, 2),
        ({"cpu": 1, "gpu": 0.4}, None, 2, 4),
        ({"cpu": 1, "gpu": 2}, None, 1, None),
        ({"cpu": 1, "gpu": 2}, None, 5, 2),
        ({"cpu": 1, "gpu": "auto"}, None, 1, None),
    ],
)
def test_trials_at_a_time_and_the_time_of_all(
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, Any],
    most: int | None,
    gpus: int,
    at_once: int | None,
) -> None:
    kind = replace(
        simulated,
        plan=lambda *_: Forecast(seconds=10.0, gpus=gpus),
        memory=lambda *_: MemoryDemand(trial=1, device=2),
    )
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    budget = {"trials": 12, "max_concurrent": most}
    plan = made(SIMULATED, resources=resources, budget=budget)
    assert plan.at_once == at_once
    # 13 trials with the control.
    assert plan.seconds == (None if at_once is None else 10 * -(-13 // at_once))


@pytest.mark.parametrize(("seeds", "runs"), [(3, 39), ("auto", 12 + 13 + 18)])
def test_runs_under_further_seeds_take_their_time(
    monkeypatch: pytest.MonkeyPatch, seeds: int | str, runs: int
) -> None:
    kind = replace(simulated, plan=lambda *_: Forecast(seconds=10.0, gpus=0))
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    plan = made(SIMULATED, seeds=seeds)
    assert (plan.runs, plan.trials, plan.controls, plan.at_once) == (runs, 12, 1, 8)
    assert plan.seconds == 10 * -(-runs // 8)
    assert plan.document()["runs"] == runs


CPUS, GPUS = (f"a trial asks for {n}, and this machine has " for n in ("9 CPUs", "2 GPUs"))


@pytest.mark.parametrize(
    ("resources", "elsewhere", "said"),
    [
        ({"cpu": 8, "gpu": 1}, False, []),
        ({"cpu": 9, "gpu": 1}, False, [f"{CPUS}8"]),
        ({"cpu": 9, "gpu": 2}, False, [f"{CPUS}8", f"{GPUS}1"]),
        ({"cpu": 9, "gpu": 2}, True, []),
        ({"gpu": "auto"}, False, []),
    ],
)
def test_what_this_machine_lacks_is_said_outright(
    monkeypatch: pytest.MonkeyPatch, resources: dict[str, Any], elsewhere: bool, said: list[str]
) -> None:
    kind = replace(
        simulated,
        plan=lambda *_: Forecast(gpus=1),
        memory=lambda *_: MemoryDemand(trial=1, device=2),
    )
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: kind)
    spec = SweepSpec.model_validate(SIMULATED | {"resources": resources})
    plan = plan_sweep(spec, cache=Path("none"), elsewhere=elsewhere)
    assert plan.document()["lacking"] == [*plan.lacking] == said


def test_gpus_that_nobody_counted_are_not_lacking() -> None:
    assert made(SIMULATED, resources={"gpu": 2}).lacking == ()


def test_on_a_cluster_it_is_not_known() -> None:
    spec = SweepSpec.model_validate(SIMULATED)
    assert plan_sweep(spec, cache=Path("none"), elsewhere=True).at_once is None


# Metric learning


def test_metric_learning_is_timed_here(tmp_path: Path) -> None:
    plan = made(DIGITS, tmp_path / "cache")
    forecast, document = plan.forecast, plan.document()
    assert json.loads(json.dumps(document)) == document
    assert document["baselines"] == ["raw pixels", "untouched trunk"]
    train, validation, _ = (document["data"][split] for split in ("train", "validation", "test"))
    assert (train["classes"], validation["classes"], document["data"]["images"]) == (5, 3, 1797)
    assert document["data"]["decoded_bytes"] == 1797 * 64
    assert (forecast.unknown, forecast.missing) == ("", None)
    steps = document["trial"]["steps"]
    assert steps == 2 * (train["images"] // 16)
    assert forecast.seconds is not None
    assert forecast.seconds > steps * document["trial"]["step_seconds"] > 0
    assert forecast.memory is not None
    assert forecast.memory > 50e6
    assert [*tmp_path.iterdir()] == []


def test_data_that_are_not_there_leave_the_step_known(tmp_path: Path) -> None:
    plan = made(DIGITS, data={"folder": str(tmp_path / "gone")})
    forecast = plan.forecast
    assert forecast.missing == f"data.folder: {tmp_path / 'gone'} is not a folder"
    assert (forecast.seconds, forecast.unknown) == (None, "the data are not there")
    assert forecast.memory is not None
    assert forecast.trial["step_seconds"] > 0


def test_what_is_trained_is_said(tmp_path: Path) -> None:
    trial = DIGITS["trial"] | {"micro_batch_size": 12, "evaluate_every": 2, "steps": 7}
    facts = made(DIGITS, trial=trial, data={"folder": str(tmp_path)}).document()["trial"]
    assert (facts["loss"], facts["epochs"], facts["evaluate_every"]) == ("smooth_ap", 2, 2)
    assert facts["steps"] == 7
    assert facts["model"]["parameters"] > 0
    assert facts["batch"] == {
        "images": 16,
        "classes": 4,
        "micro_batch_size": 12,
        "augmentation": "light",
    }


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        (1, {"format": "raw", "at_least_bytes": 33 * 3 * 37**2}),
        (0, {"format": "JPEG", "about_bytes": 33 * 3 * 37**2 // 8}),
    ],
)
def test_the_cache_is_foreseen(limit: float, size: dict[str, Any], tmp_path: Path) -> None:
    folder = cub(tmp_path).root / "images"
    data = {"folder": str(folder), "image_size": 32, "raw_limit_gb": limit}
    facts = made(DIGITS, data=data).document()["data"]
    free = facts["cache"].pop("free_bytes")
    assert 0 < free < shutil.disk_usage(tmp_path).total
    assert facts["cache"] == {"folder": "none", "short_side": 37} | size
    assert "decoded_bytes" not in facts


def test_of_data_that_are_not_there_the_source_is_said(tmp_path: Path) -> None:
    data: dict[str, Any] = {"folder": str(tmp_path / "gone")}
    facts = made(DIGITS, data=data).document()["data"]
    assert facts == {"folder": str(tmp_path / "gone"), "image_size": 64}
    facts = made(DIGITS, data=data | {"split": {"seed": 3}}).document()["data"]
    assert facts["split"]["seed"] == 3


def test_a_gpu_that_is_not_there_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    forecast = made(DIGITS, resources={"gpu": 0.25}).forecast
    assert forecast.unknown == "a trial asks for a GPU, and this machine has none"
    assert (forecast.seconds, forecast.memory) == (None, None)
    assert forecast.data["images"] == 1797


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        ({"backbone": "resnet999"}, "backbone: timm has no model 'resnet999'"),
        ({"weights": "/no.pt"}, "/no.pt: weights: there is no such file or folder"),
        ({"batch_size": 64}, "batch_size: a batch of this space can need 16 classes"),
    ],
)
def test_what_could_not_be_trained_is_refused(trial: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        made(DIGITS, trial=DIGITS["trial"] | trial)
    assert str(raised.value).startswith(said)


def test_pretrained_weights_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, pretrained: bool = False, **__: Any) -> Any:
        assert not pretrained
        raise RuntimeError("built without weights")

    monkeypatch.setattr("timm.create_model", refuse)
    with pytest.raises(InputError, match="built without weights"):
        made(DIGITS, trial=DIGITS["trial"] | {"pretrained": True})


def test_steps_and_measurements_are_those_of_the_budget() -> None:
    trial = DIGITS["trial"] | {"epochs": 4}
    every, seldom = (
        made(DIGITS, trial=trial | changes).document()
        for changes in ({}, {"evaluate_every": 4, "steps": 6})
    )
    assert every["trial"]["steps"] > 6
    assert seldom["trial"]["steps"] == 6
    assert seldom["seconds_a_trial"] < every["seconds_a_trial"]


def test_features_of_a_frozen_trunk_count_once(tmp_path: Path) -> None:
    weights = tmp_path / "trunk.safetensors"
    save_file(timm.create_model("test_resnet", in_chans=1).state_dict(), weights)
    frozen = {"trunk": "frozen", "backbone": "test_resnet", "weights": str(weights)}
    plan = made(DIGITS, trial=DIGITS["trial"] | frozen)
    facts = plan.document()["trial"]
    assert plan.forecast.once == facts["features_once_seconds"]
    assert plan.seconds is not None
    assert plan.forecast.seconds is not None
    assert plan.at_once == 5  # four trials and a control
    assert plan.seconds == pytest.approx(plan.forecast.once + plan.forecast.seconds)
    model = facts["model"]
    assert (model["trunk"], model["weights"]) == ("frozen", str(weights))
    assert facts["features_once_seconds"] > 0
