"""Inputs of what is trained: images of a whole model, or features of a head alone."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.embedder import Embedder
from trainer.image_batches import ImageBatches, evaluation_crop
from trainer.trunk_features import FeatureBatches, TrunkFeatures

__all__ = ["InputBatch", "Inputs", "build_inputs"]


class InputBatch(Protocol):
    """A batch on the device, which gives the same however often it is asked."""

    def inputs(self, rows: slice = ...) -> Tensor:
        """Return those rows: R x C x S x S floats in [0, 1], or R x F features."""


class Inputs(Protocol):
    """The inputs of a data set, batch by batch; all randomness is the generator's."""

    generator: torch.Generator

    def training(self, batches: Iterable[Tensor]) -> Iterator[InputBatch]:
        """Yield batches of these training images (B int64 indices each), augmented."""

    def evaluation(self, batches: Iterable[Tensor]) -> Iterator[InputBatch]:
        """Yield batches of these images (B int64 indices each, of one split), not augmented."""


def build_inputs(
    embedder: Embedder, data: SplitDataset, *, device: torch.device, config: TrialConfig
) -> Inputs:
    """Return the images of the data, or the features that a frozen trunk makes of them."""
    if config.trunk == "frozen":
        features = TrunkFeatures(embedder, data, device=device, config=config)
        return FeatureBatches(features, data, device, config)
    crop = evaluation_crop(data.dataset, embedder.trunk_input)
    return ImageBatches(data.dataset.images, device, crop, config)
