from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from sweeps.execution.checkpoints import Checkpoints
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun
from trainer import Measurement, load_state

CONFIG = {"last_epoch": 4, "seed": 3}


class Time:
    """Time that passes when a state is taken, as much as that costs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Run(SimulatedRun):
    """A simulated run whose state costs a second."""

    def __init__(self, time: Time) -> None:
        super().__init__(SimulatedConfig.model_validate(CONFIG))
        self._time = time

    def state_dict(self) -> Mapping[str, Any]:
        self._time.now += 1
        return super().state_dict()


@pytest.fixture
def time() -> Time:
    return Time()


def made(
    path: Path | None, time: Time, *, measured: list[int] | None = None, **changes: Any
) -> Checkpoints:
    return Checkpoints(path, {**CONFIG, **changes}, measured=measured or [], clock=time)


def trained(path: Path | None, time: Time, epochs: int) -> list[Measurement]:
    run, checkpoints = Run(time), made(path, time)
    found = []
    for _ in range(epochs):
        found.append(run.advance())
        time.now += 60
        checkpoints.save(run, found[-1])
    return found


def test_a_run_goes_on_after_its_last_rung(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "checkpoints" / "0000-3.pt"
    before = trained(path, time, 2)
    run, owed = made(path, time).begin(partial(Run, time))
    assert list(owed) == before
    assert run.advance().epoch == 3


def test_what_the_store_has_is_not_handed_over_again(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "0000-3.pt"
    _, second = trained(path, time, 2)
    assert list(made(path, time, measured=[1]).begin(partial(Run, time))[1]) == [second]
    checkpoints = made(path, time, measured=[1, 2])
    assert list(checkpoints.begin(partial(Run, time))[1]) == []
    assert checkpoints.is_recorded(second)


@pytest.mark.parametrize("damage", ["cut", "other", "nothing", "another run's", "code"])
def test_what_is_no_checkpoint_of_the_run_is_left_alone(
    tmp_path: Path, time: Time, damage: str
) -> None:
    path = tmp_path / "0000-3.pt"
    trained(path, time, 2)
    whole = path.read_bytes()
    if damage == "code":
        path.write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "nothing": b""}.get(damage, whole))
    others: dict[str, dict[str, Any]] = {"another run's": {"seed": 4}, "other": {"detour": 1.0}}
    changes = others.get(damage, {})
    run, owed = made(path, time, **changes).begin(partial(Run, time))
    assert list(owed) == []
    assert run.advance().epoch == 1


class Half(Run):
    """A run that a state of it leaves half loaded."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        super().load_state_dict(state)
        raise AttributeError("no such layer")


def test_a_run_that_cannot_be_loaded_begins_afresh(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "0000-3.pt"
    trained(path, time, 2)
    run, owed = made(path, time).begin(partial(Half, time))
    assert list(owed) == []
    assert run.advance().epoch == 1


def test_what_a_run_measured_by_its_end_is_there_until_it_is_dropped(
    tmp_path: Path, time: Time
) -> None:
    path = tmp_path / "0000-3.pt"
    run, checkpoints = Run(time), made(path, time)
    found = [run.advance() for _ in range(4)]
    checkpoints.save(run, found[0])
    checkpoints.save(run, found[1])  # too soon to be written
    checkpoints.save(run, found[2])
    checkpoints.finish(found[3])
    _, owed = made(path, time, measured=[1]).begin(partial(Run, time))
    assert list(owed) == found[1:]


def test_writing_takes_little_of_the_time(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "0000-3.pt"
    run, checkpoints, saved = Run(time), made(path, time), 0
    for _ in range(400):
        before, epoch = time.now, run.advance()
        time.now += 1
        checkpoints.save(run, epoch)
        saved += time.now - before > 1
    assert 400 / 60 < saved <= 400 / 50 + 1


def test_between_steps_a_state_is_written_now_and_then(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "0000-3.pt"
    run, checkpoints, saved = Run(time), made(path, time), 0
    for _ in range(600):
        before = time.now
        checkpoints.save_between(run)
        saved += time.now > before
        time.now += 1
    # The first after half a minute, then as seldom as a second of writing asks for.
    assert saved == 1 + (600 - 30) // 50
    assert load_state(path)["measurements"] == []


def test_a_file_that_cannot_be_written_fails_nothing(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    trained(tmp_path / "file" / "0000-3.pt", time, 2)
    trained(None, time, 2)

    def full(*_: object) -> None:  # what torch raises where the disk is full
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    trained(tmp_path / "0000-3.pt", time, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_that_has_ended_leaves_no_file(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "0000-3.pt"
    trained(path, time, 1)
    assert load_state(path)["config"] == CONFIG
    for _ in range(2):
        made(path, time).drop()
    assert list(tmp_path.iterdir()) == []
