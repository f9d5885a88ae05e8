"""Memory that a trial will take, foreseen from two steps of parts of its batch."""

from typing import Final

import torch

from objectives import Calibration, score_embeddings
from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.device_memory import release_memory
from trainer.engine import TrainingRun
from trainer.peak_memory import PeakMemory
from trainer.rehearsal import (
    few_images,
    forked_generators,
    noise_embeddings,
    without_weights,
)

__all__ = ["predict_memory"]

_EMBEDDED: Final = 256
# Smaller batches are tried as they are.
_SMALL: Final = 32


def predict_memory(config: TrialConfig, data: SplitDataset, *, device: torch.device) -> int:
    """Return the bytes that a trial takes of a device at its peak.

    What a step takes grows as a line with the images that go through the model at once. Two steps,
    of a quarter and of half of those images, give the line. What embedding and scoring the
    validation split take is found by doing both, on embeddings of noise.

    Args:
        config: The configuration; weights are not loaded, for they cost nothing.
        data: Images and splits.
        device: The device.

    Raises:
        InputError: As `TrainingRun`.
        torch.OutOfMemoryError: Not even these fit.
    """
    config = without_weights(config)
    if config.trunk == "frozen":
        data = few_images(config, data)
    whole = _at_once(config)
    with forked_generators(device):
        if whole < _SMALL:
            return max(_peaks(config, config, data, device))
        near, far = (config.model_copy(update={"micro_batch_size": whole // n}) for n in (4, 2))
        low, _ = _peaks(near, near, data, device)
        high, measuring = _peaks(far, config, data, device)
    slope = max(0.0, (high - low) / (_at_once(far) - _at_once(near)))
    return max(int(high + slope * (whole - _at_once(far))), measuring)


def _at_once(config: TrialConfig) -> int:
    """Return how many images go through the model at once: micro-batches are of equal size."""
    parts = -(-config.batch_size // (config.micro_batch_size or config.batch_size))
    return -(-config.batch_size // parts)


def _peaks(
    stepping: TrialConfig, measuring: TrialConfig, data: SplitDataset, device: torch.device
) -> tuple[int, int]:
    """Return the peaks of two steps, and of measuring."""
    release_memory()
    with PeakMemory(device) as steps:
        run = TrainingRun(stepping, data, device=device, calibration=Calibration())
        for _ in range(2):  # the optimiser's state is there from the first on
            run.probe_step()
    run.config = measuring
    with PeakMemory(device) as measured:
        run.embed(data.train[:_EMBEDDED])
        labels = data.dataset.labels[data.validation]
        noise = noise_embeddings(len(labels), measuring.embedding_dim, device)
        score_embeddings(noise, labels)
    return steps.peak, measured.peak
