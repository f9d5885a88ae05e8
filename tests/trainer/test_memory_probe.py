from types import TracebackType
from typing import Self

import pytest
import torch

import trainer.memory_probe
from objectives import Calibration
from trainer import SplitDataset, TrainingRun, TrialRun, predict_memory

from .factories import MakeConfig, MakeData

CPU = torch.device("cpu")
WEIGHTS, IMAGE = 1000, 10


class Meter:
    """A `PeakMemory` that reads what went through the model at once off the embedder."""

    most = 0

    def __init__(self, _device: torch.device) -> None:
        self.peak = 0

    def __enter__(self) -> Self:
        Meter.most = 0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.peak = WEIGHTS + IMAGE * Meter.most


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = TrainingRun.__init__

    def counting(self: TrainingRun, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)  # type: ignore[arg-type]

        def count(_module: object, inputs: tuple[torch.Tensor]) -> None:
            rows = len(inputs[0])
            # What is embedded without gradients takes a fifth.
            grows = torch.is_grad_enabled() or not torch.is_inference_mode_enabled()
            Meter.most = max(Meter.most, rows if grows else rows // 5)

        self.embedder.register_forward_pre_hook(count)

    monkeypatch.setattr(TrainingRun, "__init__", counting)
    monkeypatch.setattr(trainer.memory_probe, "PeakMemory", Meter)


@pytest.mark.usefixtures("metered")
@pytest.mark.parametrize(
    ("batch_size", "micro", "at_once"),
    [
        (64, None, 64),
        (64, 32, 32),
        (64, 48, 32),
        (40, 64, 40),
        (64, 34, 32),
        (16, None, 16),
        (16, 8, 8),
    ],
)
def test_the_line_through_two_steps_meets_the_whole_batch(
    batch_size: int, micro: int | None, at_once: int, make_config: MakeConfig, data: SplitDataset
) -> None:
    config = make_config(batch_size=batch_size, samples_per_class=8, micro_batch_size=micro)
    before = torch.get_rng_state()
    found = predict_memory(config, data, device=CPU)
    assert found == WEIGHTS + IMAGE * at_once
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("metered")
def test_measuring_can_take_the_most(
    make_config: MakeConfig, data: SplitDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def score(embeddings: torch.Tensor, labels: torch.Tensor) -> None:
        assert embeddings.norm(dim=1) == pytest.approx(1)
        seen.append((tuple(embeddings.shape), len(labels)))
        Meter.most = 500

    monkeypatch.setattr(trainer.memory_probe, "score_embeddings", score)
    config = make_config(batch_size=64, samples_per_class=8, embedding_dim=16)
    assert predict_memory(config, data, device=CPU) == WEIGHTS + IMAGE * 500
    assert seen == [((48, 16), 48)] * 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("micro", [None, 128])
def test_a_prediction_holds_the_trial(
    micro: int | None, make_config: MakeConfig, make_data: MakeData
) -> None:
    cuda, data = torch.device("cuda"), make_data(size=64, channels=3, per_class=64)
    config = make_config(
        backbone="resnet18",
        batch_size=512,
        samples_per_class=64,
        micro_batch_size=micro,
        epochs=1,
    )
    foreseen = predict_memory(config, data, device=cuda) / 2**20
    taken = TrialRun(config, data, device=cuda, calibration=Calibration()).advance().metrics
    assert taken["peak_memory_mib"] <= 1.1 * foreseen
    assert foreseen <= 1.3 * taken["peak_memory_mib"]
