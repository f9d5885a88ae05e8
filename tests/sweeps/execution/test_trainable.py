from dataclasses import asdict
from typing import Any

import pytest
import torch

import trainer
from objectives import Calibration
from sweeps.execution.trainable import TrialTrainable
from trainer import DataConfig, TrialConfig, load_data

DIGITS = DataConfig(name="digits")


def begun(**changes: Any) -> TrialTrainable:
    """A trainable as an actor has it after `reset_config`, without Ray."""
    config = {
        "number": 0,
        "config": TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump(),
        "workload": "metric_learning",
        "data": DIGITS.model_dump(mode="json"),
        "fingerprint": load_data(DIGITS).fingerprint,
        "scoring": asdict(Calibration()),
        "resources": {"cpu": 1},
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


def test_other_data_than_the_driver_saw_fail_the_trial() -> None:
    result = begun(fingerprint="another").step()
    assert result == {
        "measurement": None,
        "failure": "the data are not those that the sweep began with",
        "done": True,
    }


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
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(trainer, "keep_freed_memory", lambda: asked.append("memory"), raising=False)
    begun(resources={"cpu": 3}).step()
    assert asked[:2] == [3, "memory"]
