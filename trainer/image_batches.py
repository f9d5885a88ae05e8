"""Batches of images as a model sees them: augmented in training, centred in evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from trainer.augment import augmentation_draws, light_augment
from trainer.config import TrialConfig
from trainer.data import Dataset, Images
from trainer.device_images import DeviceImages, to_device
from trainer.prefetch import prefetched
from trainer.resample import resample
from trainer.trunk_input import TrunkInput
from trainer.views import EvaluationCrop, Views, evaluation_views, random_views

__all__ = ["ImageBatch", "ImageBatches", "embedding_batches", "evaluation_crop"]

_BATCH: Final = 256
# More, and a CPU's caches no longer hold what passes between layers: half the images a second.
_CPU_PIXELS: Final = 2**18


def evaluation_crop(data: Dataset, trunk: TrunkInput) -> EvaluationCrop:
    """Return what evaluation sees: what the data ask for, or else what the trunk was made for."""
    share = trunk.crop_share if data.crop_share is None else data.crop_share
    return EvaluationCrop(
        size=data.image_size,
        share=share,
        squash=trunk.crop_mode == "squash",
        interpolation="bilinear" if trunk.interpolation == "bilinear" else "bicubic",
    )


def embedding_batches(
    indices: Tensor, config: TrialConfig, *, image_size: int, device: torch.device
) -> tuple[Tensor, ...]:
    """Return these indices in the batches that a trunk embeds at a time, nothing being trained."""
    most = _BATCH
    if device.type == "cpu":
        most = min(_BATCH, max(8, _CPU_PIXELS // image_size**2))
    parts: tuple[Tensor, ...] = indices.split(min(most, config.micro_batch_size or most))
    return parts


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageBatch:
    """A batch, held as bytes, from which the same images come however often they are asked for.

    Attributes:
        pixels: B x C x H x W uint8 on the device.
        views: What is seen of them, on the device; None: they are squares, seen as they are.
        crop: The side of the squares, and how they are resampled.
        draws: 7 x B on the device, what the light augmentation does to each; None: nothing.
        horizontal_flip: Whether the light augmentation mirrors half of them.
    """

    pixels: Tensor
    views: Views | None
    crop: EvaluationCrop
    draws: Tensor | None = None
    horizontal_flip: bool = False

    def inputs(self, rows: slice = slice(None)) -> Tensor:
        """Return those rows of the batch, R x C x S x S floats in [0, 1]."""
        squares = self._squares(rows)
        if self.draws is None:
            return squares
        return light_augment(squares, self.draws[:, rows], horizontal_flip=self.horizontal_flip)

    def _squares(self, rows: slice) -> Tensor:
        if self.views is None:
            return self.pixels[rows].float().div_(255)
        return resample(
            self.pixels[rows],
            windows=self.views.windows[rows],
            boxes=self.views.boxes[rows],
            mirrored=self.views.mirrored[rows],
            size=self.crop.size,
            interpolation=self.crop.interpolation,
        )


class ImageBatches:
    """The images of a data set on a device, batch by batch.

    Views are drawn on the CPU, from one generator whatever the device. Images that are not in
    memory are fetched by a thread, two batches ahead.

    Args:
        images: The images.
        device: Where they are wanted.
        crop: What evaluation sees.
        config: The trial, for its augmentation and the generator's seed.
    """

    def __init__(
        self, images: Images, device: torch.device, crop: EvaluationCrop, config: TrialConfig
    ) -> None:
        self._images = DeviceImages(images, device)
        self._device = device
        self._crop = crop
        self._config = config
        self.generator = torch.Generator().manual_seed(config.seed)

    def training(self, batches: Iterable[Tensor]) -> Iterator[ImageBatch]:
        """Yield batches of these indices (B int64, on the CPU each), augmented.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """
        return self._ahead(self._augmented(indices) for indices in batches)

    def evaluation(self, batches: Iterable[Tensor]) -> Iterator[ImageBatch]:
        """Yield batches of these indices (B int64, on the CPU each), not augmented.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """
        return self._ahead(self._centred(indices) for indices in batches)

    def _ahead(self, batches: Iterator[ImageBatch]) -> Iterator[ImageBatch]:
        return batches if self._images.at_hand else prefetched(batches)

    def _augmented(self, indices: Tensor) -> ImageBatch:
        config = self._config
        if config.augmentation == "standard":
            views = random_views(
                self._images.shapes(indices),
                scale_min=config.crop_scale_min,
                ratio_max=config.crop_ratio_max,
                horizontal_flip=config.horizontal_flip,
                generator=self.generator,
            )
            return self._batch(indices, views)
        draws = None
        if config.augmentation == "light":
            drawn = augmentation_draws(len(indices), generator=self.generator)
            draws = to_device(drawn, self._device)
        return self._centred(indices, draws)

    def _centred(self, indices: Tensor, draws: Tensor | None = None) -> ImageBatch:
        views = evaluation_views(self._images.shapes(indices), self._crop)
        return self._batch(indices, views, draws)

    def _batch(self, indices: Tensor, views: Views, draws: Tensor | None = None) -> ImageBatch:
        as_they_are = views.show_all(self._images.shapes(indices), self._crop.size)
        pixels, seen = self._images.fetch(indices, views)
        return ImageBatch(
            pixels=pixels,
            views=None if as_they_are else seen,
            crop=self._crop,
            draws=draws,
            horizontal_flip=self._config.horizontal_flip,
        )
