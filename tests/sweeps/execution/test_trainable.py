from dataclasses import asdict
from typing import Any

import pytest
import torch

import sweeps.trainable
from objectives import Calibration
from sweeps.trainable import TrialTrainable
from trainer import DataConfig, TrialConfig, load_data

DIGITS = DataConfig(name="digits")


def begun(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> TrialTrainable:
    """A trainable as an actor has it after `reset_config`, without Ray."""
    monkeypatch.setattr(sweeps.trainable, "_device", lambda: torch.device("cpu"))
    config = {
        "number": 0,
        "trial": TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump(),
        "data": DIGITS.model_dump(mode="json"),
        "fingerprint": load_data(DIGITS).fingerprint,
        "calibration": asdict(Calibration()),
        "threads": 1,
    }
    trainable = object.__new__(TrialTrainable)
    assert trainable.reset_config(config | changes)
    return trainable


def test_a_step_is_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = TrialConfig(batch_size=16, embedding_dim=8, epochs=2).model_dump()
    trainable = begun(monkeypatch, trial=trial)
    results = [trainable.step(), trainable.step()]
    assert [result["measurement"].epoch for result in results] == [1, 2]
    assert [result["done"] for result in results] == [False, True]


def test_other_data_than_the_driver_saw_fail_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    result = begun(monkeypatch, fingerprint="another").step()
    assert result == {
        "measurement": None,
        "failure": "the data are not those that the sweep began with",
        "done": True,
    }


def test_what_cannot_begin_fails_the_trial_and_the_actor_lives_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = TrialConfig(batch_size=64, embedding_dim=8, epochs=1).model_dump()
    trainable = begun(monkeypatch, trial=trial)
    result = trainable.step()
    assert result["done"]
    assert result["failure"].startswith("batch_size: 64 with samples_per_class 4 needs 16 classes")
    good = TrialConfig(batch_size=16, embedding_dim=8, epochs=1).model_dump()
    assert trainable.reset_config(trainable._config | {"trial": good})
    assert trainable.step()["measurement"].epoch == 1


def test_an_actor_takes_its_threads_and_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(sweeps.trainable, "keep_freed_memory", lambda: asked.append("memory"))
    trainable = begun(monkeypatch)
    trainable.setup(trainable._config | {"threads": 3})
    assert asked == [3, "memory"]
