"""Rehearsal of a trial: what a few of its steps need, of which nothing is kept."""

from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from trainer.config import TrialConfig
from trainer.data import SplitDataset

__all__ = ["few_images", "forked_generators", "noise_embeddings", "without_weights"]


def without_weights(config: TrialConfig) -> TrialConfig:
    """Return a configuration whose steps cost the same, for which nothing is loaded."""
    return config.model_copy(update={"pretrained": False, "weights": None, "views": 1})


def forked_generators(device: torch.device) -> AbstractContextManager[None]:
    """Return what puts the generators of the CPU and of this device back, of no other device."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def few_images(config: TrialConfig, data: SplitDataset) -> SplitDataset:
    """Return the data with the training images of one batch, from which no features are kept.

    A frozen trunk's first step wants the features of every training image.
    """
    labels, order = data.dataset.labels[data.train].sort(stable=True)
    place = torch.arange(len(labels)) - torch.searchsorted(labels, labels)
    number = labels.unique(return_inverse=True)[1]
    classes = config.batch_size // config.samples_per_class
    few = order[(place < config.samples_per_class) & (number < classes)]
    return replace(data, train=data.train[few.sort().values], cache=None)


def noise_embeddings(count: int, width: int, device: torch.device) -> Tensor:
    """Return unit vectors of noise, count x width, the same each time."""
    noise = torch.randn(count, width, generator=torch.Generator().manual_seed(0))
    return functional.normalize(noise, dim=1).to(device)
