import faulthandler
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import sweeps.execution.opened_data
import sweeps.execution.trainable
import trainer
from objectives import Calibration
from sweeps.execution.trainable import TrialTrainable, _redact
from sweeps.spec import LongRun, Run
from sweeps.spec.simulated import workload as simulated
from trainer import DataConfig, Measurement, TrialConfig, TrialFailed, load_data

GOOD = {"accuracy": 0.5, "inconsistency": 0.1}
SIMULATED = {
    "workload": "simulated",
    "purpose": "SEARCH",
    "data": None,
    "scoring": None,
    "fingerprint": "",
    "objectives": ["accuracy", "inconsistency"],
    "failures": {"time_limit": None},
    "begun_at": "2026-11-30",
    "config": {"last_epoch": 2},
    "seed": 0,
}
DIGITS = DataConfig(name="digits")


def begun(**changes: Any) -> TrialTrainable:
    """A trainable as an actor has it after `reset_config`, without Ray."""
    config = {
        "number": 0,
        "purpose": "SEARCH",
        "keep": False,
        "config": TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump(),
        "seed": 0,
        "workload": "metric_learning",
        "data": DIGITS.model_dump(mode="json"),
        "fingerprint": load_data(DIGITS).fingerprint,
        "cache": "cache",
        "scoring": asdict(Calibration()),
        "resources": {"cpu": 1},
        "failures": {"time_limit": None},
        "begun_at": "2026-11-30",
        "objectives": ["recall_at_1", "opis"],
    }
    trainable = object.__new__(TrialTrainable)
    assert trainable.reset_config(config | changes)
    return trainable


def test_a_step_is_an_epoch() -> None:
    trial = TrialConfig(batch_size=16, embedding_dim=8, epochs=2).model_dump()
    trainable = begun(config=trial)
    results = [trainable.step(), trainable.step()]
    assert [result["measurement"].epoch for result in results] == [1, 2]
    assert [result["done"] for result in results] == [False, True]


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps.execution.trainable, "_REST_SECONDS", 0.0)


def test_other_data_than_the_driver_saw_are_the_fault_of_the_machine() -> None:
    result = begun(fingerprint="another").step()
    assert result == {
        "measurement": None,
        "failure": "the data are not those that the sweep began with",
        "done": True,
        "kind": "data",
    }


def test_data_that_cannot_be_read_are_the_fault_of_the_machine(tmp_path: Path) -> None:
    missing = DataConfig.model_validate({"folder": str(tmp_path / "missing")})
    result = begun(data=missing.model_dump(mode="json")).step()
    assert (result["kind"], result["done"]) == ("data", True)
    assert str(tmp_path / "missing") in result["failure"]


def test_what_cannot_begin_fails_the_trial_and_the_actor_lives_on() -> None:
    trial = TrialConfig(batch_size=64, embedding_dim=8, epochs=1).model_dump()
    trainable = begun(config=trial)
    result = trainable.step()
    assert result["done"]
    assert result["failure"].startswith("batch_size: 64 with samples_per_class 4 needs 16 classes")
    good = TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump()
    assert trainable.reset_config(trainable._config | {"config": good})
    assert trainable.step()["measurement"].epoch == 1


def test_an_actor_takes_its_threads_and_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    trainable = begun()
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(trainer, "keep_freed_memory", lambda: asked.append("memory"), raising=False)
    trainable.setup(trainable._config | {"resources": {"cpu": 3}})
    assert asked == [3, "memory"]


class Odd:
    """A run that hands over what it is given."""

    def __init__(self, *measured: tuple[int, dict[str, float]]) -> None:
        self._measured = iter(measured)

    def advance(self) -> Measurement:
        epoch, metrics = next(self._measured)
        return Measurement(epoch=epoch, seed=0, split="validation", metrics=metrics)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ((2, {"accuracy": math.nan, "inconsistency": 0.1}), "accuracy undefined at epoch 2"),
        ((2, {"accuracy": 0.5}), "inconsistency undefined at epoch 2"),
        ((2, GOOD | {"other": math.inf}), "other undefined at epoch 2"),
        ((1, GOOD), "epoch 1 was measured after epoch 1"),
    ],
)
def test_what_no_record_can_hold_fails_the_trial_alone(
    monkeypatch: pytest.MonkeyPatch, second: tuple[int, dict[str, float]], reason: str
) -> None:
    odd = replace(simulated, start=lambda *_: cast(Run, Odd((1, GOOD), second)))
    monkeypatch.setattr(sweeps.execution.opened_data, "load_workload", lambda _: odd)
    trainable = begun(
        workload="odd",
        data=None,
        scoring=None,
        fingerprint="",
        objectives=["accuracy", "inconsistency"],
        config={"last_epoch": 5},
    )
    assert trainable.step()["failure"] is None
    failed = {"measurement": None, "failure": reason, "kind": "not_scored", "done": True}
    assert trainable.step() == failed


def test_an_actor_loads_nothing_that_only_the_driver_needs() -> None:
    heavy = "{'optuna', 'sqlalchemy', 'mlflow', 'plotly', 'matplotlib', 'typer'}"
    code = f"import sys, sweeps.execution.trainable; sys.exit(str({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr == "set()\n"


class Holding:
    """A workload's `release` that holds so many bytes, one after the other."""

    def __init__(self, *held: int) -> None:
        self._held = iter(held)

    def __call__(self) -> int:
        return next(self._held)


@pytest.mark.parametrize(
    ("held", "worn_out"),
    [
        ((0, 0, 0), [None, None, None]),
        ((2**30, 2**30 + 2**28, 2**30 + 2**28 + 1), [None, None, True]),
        ((2**30, 2**31, 2**30), [None, True, None]),
    ],
)
def test_a_process_that_holds_more_than_after_its_first_trial_says_so(
    held: tuple[int, ...], worn_out: list[bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = replace(simulated, release=Holding(*held))
    monkeypatch.setattr(sweeps.execution.opened_data, "load_workload", lambda _: released)
    trainable = begun(**SIMULATED)
    found = []
    for _ in held:
        assert "worn_out" not in trainable.step()
        found.append(trainable.step().get("worn_out"))
        assert trainable._run is None
        assert trainable.reset_config(trainable._config)
    assert found == worn_out


def test_a_trial_that_was_stopped_is_let_go_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    released = replace(simulated, release=Holding(0, 2**30))
    monkeypatch.setattr(sweeps.execution.opened_data, "load_workload", lambda _: released)
    trainable = begun(**SIMULATED)
    trainable.step()
    assert trainable.reset_config(trainable._config)
    assert trainable._run is None
    trainable.step()
    assert trainable.step()["worn_out"]


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    trial = TrialConfig(batch_size=16, embedding_dim=8, epochs=3).model_dump(mode="json")
    whole = begun(config=trial)
    expected = [whole.step()["measurement"] for _ in range(3)]

    def scores(found: Sequence[Measurement]) -> list[tuple[int, float, float]]:
        return [(m.epoch, m.metrics["train_loss"], m.metrics["opis"]) for m in found]

    folder = {"config": trial, "checkpoints": str(tmp_path)}
    first = begun(**folder)
    first.step()
    first.step()
    assert [path.name for path in tmp_path.iterdir()] == ["0000-0.pt"]
    # The driver had recorded the first epoch when it died.
    torch.manual_seed(7)
    resumed = begun(**folder, measured=[1])
    results = [resumed.step(), resumed.step()]
    assert scores([result["measurement"] for result in results]) == scores(expected[1:])
    assert [result["done"] for result in results] == [False, True]
    # The driver died once more, before it had recorded the last.
    again = begun(**folder, measured=[1, 2])
    assert again.step() == results[-1]


def test_a_run_goes_on_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.execution.checkpoints._INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("sweeps.execution.checkpoints._SHARE", math.inf)
    trial = TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump(mode="json")
    folder = {"config": trial, "checkpoints": str(tmp_path)}
    whole = begun(config=trial)
    all_steps = 0

    def count() -> None:
        nonlocal all_steps
        all_steps += 1

    cast(LongRun, whole._started()).between_steps = count
    expected = whole.step()["measurement"]
    first = begun(**folder)
    run = cast(LongRun, first._started())
    save, steps = run.between_steps, 0

    def die_at_the_tenth() -> None:
        nonlocal steps
        save()
        steps += 1
        if steps == 10:
            raise SystemExit

    run.between_steps = die_at_the_tenth
    with pytest.raises(SystemExit):
        first.step()
    resumed = begun(**folder)
    run = cast(LongRun, resumed._started())
    run.between_steps = lambda: steps_again.append(None)
    steps_again: list[None] = []
    found = resumed.step()["measurement"]
    assert found.metrics["train_loss"] == expected.metrics["train_loss"]
    assert found.metrics["opis"] == expected.metrics["opis"]
    assert len(steps_again) == all_steps - 9


@pytest.mark.parametrize(
    "limited",
    [
        {},  # looked at between the steps of the first epoch
        SIMULATED | {"config": {"last_epoch": 9, "wait": 0.01}},  # and between two rungs
    ],
)
def test_a_run_that_takes_too_long_failed(limited: dict[str, Any]) -> None:
    trainable = begun(**limited | {"failures": {"time_limit": 0.005}})
    results = [trainable.step()]
    while not results[-1]["done"]:
        results.append(trainable.step())
    assert results[-1]["failure"] == "has trained for more than 0.005 s"
    assert results[-1]["kind"] == "time_limit"
    assert len(results) == (2 if limited else 1)


def test_a_run_that_took_too_long_goes_on_where_it_was(tmp_path: Path) -> None:
    limited = SIMULATED | {
        "config": {"last_epoch": 40, "wait": 0.01},
        "failures": {"time_limit": 0.05},
        "checkpoints": str(tmp_path),
    }
    measured: list[int] = []
    for _ in range(40):
        trainable = begun(**limited, measured=measured)
        result = trainable.step()
        while not result["done"]:
            measured.append(result["measurement"].epoch)
            result = trainable.step()
        if result["failure"] is None:
            measured.append(result["measurement"].epoch)
            break
    assert measured == [*range(1, 41)]


def test_a_run_of_another_sweep_of_the_name_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    mine = SIMULATED | {"checkpoints": str(tmp_path)}
    trainable = begun(**mine)
    assert [trainable.step()["done"] for _ in range(2)] == [False, True]
    other = begun(**mine | {"begun_at": "2026-12-01"})
    other._started()
    assert not other._owed
    again = begun(**mine)
    again._started()
    assert len(again._owed) == 2


def test_without_its_checkpoint_a_run_measures_nothing_twice() -> None:
    config = {"last_epoch": 4}
    trainable = begun(**SIMULATED | {"config": config}, measured=[1, 2])
    assert [trainable.step()["measurement"].epoch for _ in range(2)] == [3, 4]


def test_a_run_that_fails_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainable = begun(**SIMULATED | {"config": {"last_epoch": 3}}, checkpoints=str(tmp_path))
    trainable.step()
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(trainable, "_check", lambda _: (_ for _ in ()).throw(TrialFailed("no")))
    assert trainable.step()["failure"] == "no"
    assert list(tmp_path.iterdir()) == []


def test_passwords_are_hidden_in_all_that_an_error_says() -> None:
    url = "s3://key:S3cret@bucket/file"
    inner = FileNotFoundError(2, "No such file", url)
    outer = ValueError(f"cannot read {url}")
    outer.__cause__ = inner
    inner.__cause__ = outer  # round and round
    _redact(outer)
    assert "S3cret" not in f"{outer} {inner} {inner!r}"
    assert "bucket" in str(inner)


def test_the_process_of_a_run_that_has_ended_may_live_on(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[bool] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: armed.append(True))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: armed.append(False))
    trainable = begun(**SIMULATED | {"failures": {"time_limit": 60}})
    while not trainable.step()["done"]:
        assert armed == [True]
    assert armed == [True, False]
