from pathlib import Path
from typing import Any

import pytest
import torch

from trainer import TrainingRun, load_checkpoint, save_checkpoint
from trainer.device_images import DeviceImages

from .factories import MakeConfig, MakeRun

CLOCKS = ("train_seconds", "score_seconds")


def course(trial: TrainingRun, epochs: int) -> list[tuple[int, dict[str, float]]]:
    """What a trial measures over some epochs, less the clocks."""
    found = []
    for _ in range(epochs):
        measurement = trial.advance()
        scores = {k: v for k, v in measurement.metrics.items() if k not in CLOCKS}
        found.append((measurement.epoch, scores))
    return found


@pytest.fixture(params=[False, True], ids=["at hand", "prefetched"])
def prefetching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images be fetched as if they were not in memory."""
    if request.param:
        monkeypatch.setattr(DeviceImages, "at_hand", False)


COURSES: list[dict[str, Any]] = [
    {"loss": "smooth_ap"},
    {"loss": "proxy_anchor"},
    {"loss": "arcface"},
    {"loss": "proxy_anchor", "micro_batch_size": 6},
    {"head_warmup_epochs": 1, "clip_norm": 0.1},
    {"head_warmup_epochs": 3, "clip_value": 1e-3, "freeze_batch_norm": True},
    {
        "optimizer": "sgd",
        "schedule": "step",
        "step_epochs": [1, 3],
        "trunk_learning_rate_factor": 3,
    },
    {"optimizer": "adam", "schedule": "constant", "pooling": "gem", "head_layer_norm": True},
    {"steps": 7, "warmup_epochs": 1.5},
]


@pytest.mark.parametrize("changes", COURSES, ids=lambda changes: "-".join(changes))
def test_a_resumed_trial_takes_the_same_course(
    changes: dict[str, Any], make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path
) -> None:
    config = make_config(epochs=4, augmentation="light", horizontal_flip=True, **changes)

    def fresh() -> TrainingRun:
        trial = make_trial(config)
        # Dropout draws from torch's own generator, whose state must be kept as well.
        vars(trial.embedder.trunk)["drop_rate"] = 0.3
        return trial

    whole = fresh()
    expected = course(whole, 4)
    interrupted = fresh()
    first = course(interrupted, 2)
    save_checkpoint(interrupted, tmp_path)
    course(interrupted, 1)
    resumed = fresh()
    torch.rand(5)
    load_checkpoint(resumed, tmp_path)
    assert resumed.epoch == 2
    assert first + course(resumed, 2) == expected
    for module, other in ((whole.embedder, resumed.embedder), (whole.loss, resumed.loss)):
        state, copy = module.state_dict(), other.state_dict()
        assert list(state) == list(copy)
        assert all(torch.equal(state[name], copy[name]) for name in state)


def test_a_run_that_is_not_measured_every_epoch(
    make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path
) -> None:
    config = make_config(epochs=5, evaluate_every=2, steps=12, head_warmup_epochs=1)
    whole, interrupted = make_trial(config), make_trial(config)
    expected = course(whole, 3)
    assert [epoch for epoch, _ in expected] == [2, 4, 5]
    course(interrupted, 1)
    save_checkpoint(interrupted, tmp_path)
    resumed = make_trial(config)
    load_checkpoint(resumed, tmp_path)
    assert course(resumed, 2) == expected[1:]


class StoppedError(Exception):
    """Raised between two steps, as what ends a process would end it there."""


def stopped_before(trial: TrainingRun, step: int, folder: Path) -> list[Any]:
    """Train until a step, counted over the whole run, and write the state there."""
    steps = 0

    def stop() -> None:
        nonlocal steps
        if steps == step:
            save_checkpoint(trial, folder)
            raise StoppedError
        steps += 1

    trial.between_steps = stop
    found: list[Any] = []
    while True:
        try:
            found += course(trial, 1)
        except StoppedError:
            return found


@pytest.mark.usefixtures("prefetching")
@pytest.mark.parametrize("step", [0, 1, 4, 5, 7, 11])
@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": "light", "horizontal_flip": True},
        {"augmentation": "standard", "head_warmup_epochs": 1},
        {"loss": "proxy_anchor", "evaluate_every": 2},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_trial_that_is_stopped_within_an_epoch_takes_the_same_course(
    changes: dict[str, Any],
    step: int,
    make_config: MakeConfig,
    make_trial: MakeRun,
    tmp_path: Path,
) -> None:
    config = make_config(epochs=4, steps=12, **changes)
    whole = make_trial(config)
    measured = 4 // config.evaluate_every
    expected = course(whole, measured)
    first = stopped_before(make_trial(config), step, tmp_path)
    resumed = make_trial(config)
    torch.rand(5)
    load_checkpoint(resumed, tmp_path)
    assert first + course(resumed, measured - len(first)) == expected
    assert torch.equal(whole.embedder.head.weight, resumed.embedder.head.weight)


def test_weights_from_a_file_are_part_of_the_configuration(
    make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path
) -> None:
    torch.save(make_trial(make_config(seed=3)).embedder.trunk.state_dict(), tmp_path / "trunk.pt")
    config = make_config(weights=tmp_path / "trunk.pt")
    trial = make_trial(config)
    save_checkpoint(trial, tmp_path)
    load_checkpoint(make_trial(config), tmp_path)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"epochs": 3}, {"margin_positive": 0.8}])
def test_a_checkpoint_of_another_configuration_is_refused(
    changes: dict[str, Any], make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path
) -> None:
    save_checkpoint(make_trial(make_config()), tmp_path)
    other = make_trial(make_config(**changes))
    before = {name: value.clone() for name, value in other.embedder.state_dict().items()}
    with pytest.raises(ValueError, match=r"trial\.pt belongs to another configuration"):
        load_checkpoint(other, tmp_path)
    assert all(torch.equal(before[n], v) for n, v in other.embedder.state_dict().items())


def test_a_checkpoint_is_written_whole_or_not_at_all(
    make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = make_trial(make_config())
    save_checkpoint(trial, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["trial.pt"]
    trial.advance()

    def killed(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.checkpoint.torch.save", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(trial, tmp_path)
    monkeypatch.undo()
    load_checkpoint(trial, tmp_path)
    assert trial.epoch == 0
    trial.advance()
    save_checkpoint(trial, tmp_path)
    load_checkpoint(trial, tmp_path)
    assert trial.epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["trial.pt"]


def test_a_missing_checkpoint(make_config: MakeConfig, make_trial: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="trial"):
        load_checkpoint(make_trial(make_config()), tmp_path)
