import mmap

import pytest
import torch

from trainer import SplitDataset, TrialConfig, outline_data, probe_trial, stand_in_data
from trainer.data import DataConfig
from trainer.peak_memory import PeakMemory

from .data.pixels import pixels_of
from .factories import MakeConfig

CPU = torch.device("cpu")


def test_two_steps_are_timed_and_forgotten(data: SplitDataset, make_config: MakeConfig) -> None:
    config = make_config(backbone="test_resnet", loss="proxy_anchor", pretrained=True)
    before = torch.get_rng_state()
    probe = probe_trial(config, data, device=CPU)
    assert probe.batch_size == config.batch_size
    assert min(probe.step_seconds, probe.embed_seconds, probe.score_seconds) > 0
    assert probe.parameters > 300_000  # the trunk's, and the proxies
    assert probe.memory is not None
    assert probe.memory > 50e6  # a process that has torch
    assert torch.equal(torch.get_rng_state(), before)


def test_a_probe_on_the_cpu_leaves_gpus_alone(
    data: SplitDataset, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> int:
        raise AssertionError("a GPU was asked")

    monkeypatch.setattr(torch.cuda, "get_rng_state", ask)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert probe_trial(make_config(), data, device=CPU, patience=0).step_seconds > 0


def test_a_step_that_would_take_too_long_is_not_taken(
    data: SplitDataset, make_config: MakeConfig
) -> None:
    config = make_config(backbone="test_resnet", batch_size=32)
    probe = probe_trial(config, data, device=CPU, patience=0)
    assert (probe.batch_size, probe.memory) == (8, None)
    assert probe.step_seconds > 0


def test_noise_stands_in_for_data_that_are_not_there() -> None:
    data = stand_in_data(classes=5, channels=3, size=16)
    assert [data.class_count(split) for split in ("train", "validation", "test")] == [5, 2, 2]
    images = pixels_of(data.dataset.images, torch.tensor([0, 1, 17]))
    assert images.shape == (3, 3, 16, 16)
    assert len({image.numpy().tobytes() for image in images}) == 3
    config = TrialConfig(backbone="test_resnet", batch_size=20, embedding_dim=8)
    assert probe_trial(config, data, device=CPU).memory


def test_a_built_in_set_is_its_own_outline() -> None:
    data = outline_data(DataConfig(name="digits"))
    assert (len(data.dataset.items), data.class_count("train")) == (1797, 5)


def test_peak_memory_sees_what_is_gone_at_the_end() -> None:
    # Of the system itself: what was freed before, the C library may hand out again.
    with PeakMemory(CPU) as held, mmap.mmap(-1, 200_000_000) as block:
        block.write(b"1" * len(block))
    assert held.peak - held.before > 150e6
