"""Probe of a configuration: two training steps, timed and measured, without a sweep."""

import time
from dataclasses import dataclass
from typing import Final

import torch

from objectives import Calibration, score_embeddings
from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.engine import TrainingRun
from trainer.image_batches import ImageBatches, evaluation_crop
from trainer.peak_memory import PeakMemory
from trainer.rehearsal import (
    few_images,
    forked_generators,
    noise_embeddings,
    without_weights,
)

__all__ = ["TrialProbe", "probe_trial"]

_STEPS: Final = 2
_EMBEDDED: Final = 64
# The time of scoring grows as the square of the number of embeddings; this many are timed.
_SCORED: Final = 2048


@dataclass(frozen=True, kw_only=True)
class TrialProbe:
    """Cost of a configuration, as this machine has just shown it.

    Attributes:
        parameters: Number of the model's and the loss's.
        batch_size: Of the steps that were timed: the configuration's, or fewer where a step of
            that would have taken too long.
        step_seconds: Of a step of the configuration's batch size.
        embed_seconds: For one image to be embedded; of a frozen trunk, by its head alone.
        feature_seconds: For the features of one image; of a trained trunk, 0.
        score_seconds: For the embeddings of the validation split to be scored.
        memory: Bytes at the peak of a step on the device: on a CPU those of the whole process, with
            its libraries. None where the batch was too large to be tried.
    """

    parameters: int
    batch_size: int
    step_seconds: float
    embed_seconds: float
    feature_seconds: float
    score_seconds: float
    memory: int | None


def probe_trial(
    config: TrialConfig,
    data: SplitDataset,
    *,
    device: torch.device,
    patience: float = 30.0,
) -> TrialProbe:
    """Train two steps of a configuration, after one that warms up, and forget them.

    Args:
        config: The configuration; weights are not loaded, for they cost nothing.
        data: Images, which may be noise, and splits.
        device: The device to train on.
        patience: Seconds that a step may take. Where it would take longer, by the time of a step of
            two classes, that one is scaled up.

    Raises:
        InputError: As `TrainingRun`.
    """
    with forked_generators(device):
        return _probe(without_weights(config), data, device, patience)


def _probe(
    config: TrialConfig, data: SplitDataset, device: torch.device, patience: float
) -> TrialProbe:
    if config.trunk == "frozen":
        data = few_images(config, data)
    least = config.model_copy(update={"batch_size": 2 * config.samples_per_class})
    scale = config.batch_size / least.batch_size
    run = _begin(least, data, device)
    seconds, memory = _time_steps(run, device) * scale, None
    if seconds <= patience:
        del run
        with PeakMemory(device) as held:
            run = _begin(config, data, device)
            seconds = _time_steps(run, device)
        memory = held.peak
    return TrialProbe(
        parameters=sum(p.numel() for m in (run.embedder, run.loss) for p in m.parameters()),
        batch_size=run.config.batch_size,
        step_seconds=seconds,
        embed_seconds=_time_embedding(run, data, device),
        feature_seconds=_time_features(run, data, device) if config.trunk == "frozen" else 0.0,
        score_seconds=_time_scoring(config.embedding_dim, data, device),
        memory=memory,
    )


def _begin(config: TrialConfig, data: SplitDataset, device: torch.device) -> TrainingRun:
    return TrainingRun(config, data, device=device, calibration=Calibration())


def _time_steps(run: TrainingRun, device: torch.device) -> float:
    """Return the seconds of a step."""
    run.probe_step()  # in which memory is allocated and kernels are chosen
    started = _now(device)
    for _ in range(_STEPS):
        run.probe_step()
    return (_now(device) - started) / _STEPS


def _time_embedding(run: TrainingRun, data: SplitDataset, device: torch.device) -> float:
    """Return the seconds of an image."""
    few = data.train[:_EMBEDDED]
    run.embed(few)
    started = _now(device)
    run.embed(few)
    return (_now(device) - started) / len(few)


@torch.inference_mode()
def _time_features(run: TrainingRun, data: SplitDataset, device: torch.device) -> float:
    """Return the seconds of an image."""
    crop = evaluation_crop(data.dataset, run.embedder.trunk_input)
    images = ImageBatches(data.dataset.images, device, crop, run.config)
    started = _now(device)
    for batch in images.evaluation([data.train[:_EMBEDDED]]):
        run.embedder.features(batch.inputs())
    return (_now(device) - started) / len(data.train[:_EMBEDDED])


def _time_scoring(width: int, data: SplitDataset, device: torch.device) -> float:
    """Return the seconds that the validation split's embeddings take, from those of a part."""
    labels = data.dataset.labels[data.validation]
    few = labels[:_SCORED]
    embeddings = noise_embeddings(len(few), width, device)
    score_embeddings(embeddings, few)  # compiles
    started = _now(device)
    score_embeddings(embeddings, few)
    return (_now(device) - started) * (len(labels) / len(few)) ** 2


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
