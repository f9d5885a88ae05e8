import copy
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import trainer.trial_run
from objectives import Calibration
from trainer import (
    Embedder,
    SplitDataset,
    TrainingRun,
    TrialConfig,
    TrialFailed,
    TrialRun,
    bound_memory,
    read_kept_weights,
    release_memory,
)

from .factories import MakeConfig, MakeRun

CPU = torch.device("cpu")
CLOCKS = {"train_seconds", "score_seconds"}
COSTS = {"peak_memory_mib", "micro_batch_size"}

Limit = Callable[..., list[int]]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Let the model run out of memory with more images at once than a number."""
    whole = Embedder.forward

    def set_limit(most: int, *, after: int = 0, error: Exception | None = None) -> list[int]:
        sizes: list[int] = []

        def forward(self: Embedder, images: Tensor) -> Tensor:
            sizes.append(len(images))
            if len(sizes) > after and len(images) > most:
                raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB")
            return whole(self, images)

        monkeypatch.setattr(Embedder, "forward", forward)
        return sizes

    return set_limit


def begun(config: TrialConfig, data: SplitDataset) -> TrialRun:
    return TrialRun(config, data, device=CPU, calibration=Calibration())


def scores(metrics: Any) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in CLOCKS | COSTS}


def test_it_is_a_training_run_that_says_what_it_took(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    config = make_config()
    trial, plain = begun(config, data), make_trial(config)
    for _ in range(2):
        found, expected = trial.advance(), plain.advance()
        assert (found.epoch, found.seed, found.split) == (expected.epoch, 0, "validation")
        assert scores(found.metrics) == scores(expected.metrics)
        assert found.metrics.keys() - expected.metrics.keys() == {"peak_memory_mib"}
        assert 50 < found.metrics["peak_memory_mib"] < 100_000  # a process that has torch


def test_the_split_that_is_asked_for_is_measured_though_memory_runs_out(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset, limit: Limit
) -> None:
    config = make_config(epochs=1)
    plain = make_trial(config.model_copy(update={"micro_batch_size": 8}))
    plain.advance()
    limit(8)
    trial = TrialRun(config, data, device=CPU, calibration=Calibration(), scored="test")
    found = trial.advance()
    assert found.split == "test"
    assert found.metrics.items() >= plain.score("test").items()
    assert torch.equal(trial.embedder.head.weight, plain.embedder.head.weight)


def test_memory_that_runs_out_halves_the_micro_batch(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset, limit: Limit
) -> None:
    # No BatchNorm: parts of a batch give the gradients of the whole.
    config = make_config(batch_size=32, backbone="test_efficientnet_gn", epochs=1)
    expected = make_trial(config.model_copy(update={"micro_batch_size": 8})).advance()
    whole = make_trial(config).advance()
    sizes = limit(10)
    found = begun(config, data).advance()
    assert sizes[:2] == [32, 16]
    assert max(sizes[2:]) == 8
    assert found.metrics["micro_batch_size"] == 8
    assert scores(found.metrics) == scores(expected.metrics)
    assert found.metrics["train_loss"] == pytest.approx(whole.metrics["train_loss"], rel=1e-4)


def test_what_was_measured_is_trained_again_and_not_measured_twice(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset, limit: Limit
) -> None:
    config = make_config(epochs=3)
    trial, plain = begun(config, data), make_trial(config)
    first = trial.advance()
    assert scores(first.metrics) == scores(plain.advance().metrics)
    limit(8)
    second, third = trial.advance(), trial.advance()
    assert [m.epoch for m in (first, second, third)] == [1, 2, 3]
    assert "micro_batch_size" not in first.metrics
    assert second.metrics["micro_batch_size"] == third.metrics["micro_batch_size"] == 8
    again = make_trial(config.model_copy(update={"micro_batch_size": 8}))
    expected = [again.advance() for _ in range(3)]
    assert scores(second.metrics) == scores(expected[1].metrics)
    assert scores(third.metrics) == scores(expected[2].metrics)


def test_a_run_that_ran_out_is_let_go_before_the_next(
    make_config: MakeConfig,
    data: SplitDataset,
    limit: Limit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[weakref.ref[TrainingRun]] = []
    alive: list[int] = []
    begin = TrainingRun.__init__

    def watched(self: TrainingRun, *args: Any, **kwargs: Any) -> None:
        alive.append(sum(run() is not None for run in runs))
        runs.append(weakref.ref(self))
        begin(self, *args, **kwargs)

    monkeypatch.setattr(TrainingRun, "__init__", watched)
    limit(8)
    gc.disable()
    try:
        begun(make_config(batch_size=32), data).advance()
    finally:
        gc.enable()
    assert alive == [0, 0, 0]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_where_nothing_is_left_to_save_the_trial_fails_with_its_reason(
    make_config: MakeConfig, data: SplitDataset, limit: Limit, error: Exception
) -> None:
    sizes = limit(0, error=error)
    with pytest.raises(TrialFailed) as caught:
        begun(make_config(batch_size=32), data).advance()
    assert str(caught.value) == "out of memory with micro-batches of 8 images, on cpu"
    assert sizes == [32, 16, 8]


def test_at_last_the_process_gets_twice_its_share_once(
    make_config: MakeConfig,
    data: SplitDataset,
    limit: Limit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widened: list[torch.device] = []

    def widen(device: torch.device) -> bool:
        widened.append(device)
        return True

    monkeypatch.setattr(trainer.trial_run, "widen_memory", widen)
    sizes = limit(0)
    trial = begun(make_config(batch_size=16), data)
    with pytest.raises(TrialFailed, match="of 8 images, with twice its share of the GPU"):
        trial.advance()
    assert sizes == [16, 8, 8]
    assert widened == [CPU]


def test_other_errors_are_not_tried_again(
    make_config: MakeConfig, data: SplitDataset, limit: Limit
) -> None:
    sizes = limit(0, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        begun(make_config(), data).advance()
    assert len(sizes) == 1


def test_a_state_holds_the_micro_batches_that_memory_asked_for(
    make_config: MakeConfig, data: SplitDataset, limit: Limit
) -> None:
    config = make_config(epochs=3)
    limit(8)
    trial = begun(config, data)
    trial.advance()
    state = copy.deepcopy(trial.state_dict())  # it shares the memory of what is trained on
    expected = trial.advance()
    resumed = begun(config, data)
    resumed.load_state_dict(state)
    found = resumed.advance()
    assert found.epoch == 2
    assert scores(found.metrics) == scores(expected.metrics)
    assert found.metrics["micro_batch_size"] == 8


def test_a_state_within_an_epoch_that_is_trained_again_measures_nothing_twice(
    make_config: MakeConfig, data: SplitDataset, limit: Limit
) -> None:
    config = make_config(epochs=3)
    trial = begun(config, data)
    trial.advance()
    limit(8)
    states: list[dict[str, Any]] = []
    trial.between_steps = lambda: states.append(copy.deepcopy(trial.state_dict()))
    expected = trial.advance()
    resumed = begun(config, data)
    resumed.load_state_dict(next(each for each in states if each["epoch"] == 0 and each["step"]))
    found = resumed.advance()
    assert found.epoch == expected.epoch == 2
    assert scores(found.metrics) == scores(expected.metrics)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_runs_out_and_the_trial_completes(make_config: MakeConfig, data: SplitDataset) -> None:
    device = torch.device("cuda")
    config = make_config(backbone="resnet18", batch_size=64, samples_per_class=8, epochs=1)
    whole = TrialRun(config, data, device=device, calibration=Calibration())
    needed = whole.advance().metrics["peak_memory_mib"] * 2**20
    del whole
    release_memory()
    _, total = torch.cuda.mem_get_info()
    try:
        torch.cuda.set_per_process_memory_fraction(0.8 * needed / total)
        found = TrialRun(config, data, device=device, calibration=Calibration()).advance()
        assert found.metrics["peak_memory_mib"] * 2**20 <= 0.8 * needed
        assert found.metrics["micro_batch_size"] < 64
    finally:
        bound_memory(device, 1)


def test_what_is_kept_is_the_last_that_was_measured(
    make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    config = make_config(epochs=2)
    run = begun(config, data)
    with pytest.raises(ValueError, match="no weights to keep before the run is measured"):
        run.keep(tmp_path / "kept.pt")
    run.advance()
    last = run.advance()
    run.keep(tmp_path / "kept.pt")
    resumed = begun(config, data)
    resumed.load_state_dict(run.state_dict())
    resumed.keep(tmp_path / "again.pt")
    kept, again = (read_kept_weights(tmp_path / name) for name in ("kept.pt", "again.pt"))
    assert kept.config == config
    assert kept.metrics == again.metrics == last.metrics
    weights = run.embedder.head.weight
    assert torch.equal(kept.embedder.head.weight, weights)
    assert torch.equal(again.embedder.head.weight, weights)
