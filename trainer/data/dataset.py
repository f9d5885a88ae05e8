"""A labelled set of images, whole and split."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from trainer.data.split_names import SPLITS, Split

__all__ = ["Dataset", "Images", "SplitDataset", "TensorImages"]


class Images(Protocol):
    """N images of C channels, each of a height and a width of its own."""

    @property
    def channels(self) -> int:
        """C: 1 for grey, 3 for RGB."""

    @property
    def shapes(self) -> Tensor:
        """N x 2 int64: height and width in pixels."""

    def __len__(self) -> int: ...

    def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
        """Return what lies in a box of each image, B x C x H x W uint8 on the CPU.

        Each crop is at the upper left, H and W are those of the largest, and what is left is 0.

        Args:
            indices: B int64.
            boxes: B x 4 int64, top, left, height and width in pixels, within the image.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorImages:
    """Images of one height and width, held in memory.

    Attributes:
        pixels: N x C x H x W uint8, on the CPU.
    """

    pixels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            found = f"{self.pixels.dtype} {tuple(self.pixels.shape)}"
            raise ValueError(f"pixels must be N x C x H x W uint8, not {found}")

    @property
    def channels(self) -> int:
        """C: 1 for grey, 3 for RGB."""
        return self.pixels.shape[1]

    @property
    def shapes(self) -> Tensor:
        """N x 2 int64: height and width in pixels."""
        return torch.tensor(self.pixels.shape[2:]).expand(len(self), 2)

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
        """Return what lies in a box of each image, as `Images.crops` does."""
        height, width = self.pixels.shape[2:]
        if bool((boxes == torch.tensor([0, 0, height, width])).all()):
            return self.pixels[indices]
        height, width = boxes[:, 2:].max(0).values.tolist()
        found = torch.zeros(len(indices), self.channels, height, width, dtype=torch.uint8)
        for row, index, (y, x, h, w) in zip(found, indices.tolist(), boxes.tolist(), strict=True):
            row[:, :h, :w] = self.pixels[index, :, y : y + h, x : x + w]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        name: Its name in reports.
        items: N stable, unique identifiers: relative POSIX paths, or ``U+0041/DejaVuSans``.
        labels: N int64, indices into ``class_names``.
        class_names: The names of the classes.
        images: The N images.
        image_size: S, the side in pixels of the square that a model sees.
        crop_share: Share of the short side that evaluation sees, in (0, 1]; None: what the
            backbone was made for.
    """

    name: str
    items: tuple[str, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    images: Images
    image_size: int
    crop_share: float | None = None

    def __post_init__(self) -> None:
        counts = {len(self.items), len(self.labels), len(self.images)}
        if len(counts) != 1:
            raise ValueError(f"items, labels and images must be equally many, not {counts}")
        if len(set(self.items)) != len(self.items):
            raise ValueError("items must be unique")


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitDataset:
    """A data set whose classes are split into three disjoint parts.

    Attributes:
        dataset: The whole.
        train: Indices of the training images, ascending int64.
        validation: Indices of the validation images, ascending int64.
        test: Indices of the test images, ascending int64.
        fingerprint: SHA-256 in hexadecimal digits of the items, class names and parts.
        queries: N bool: the test images that are searched for among the other test images, the
            gallery; no other image is one. None where every image is both.
        cache: Folder for what is computed of the images; None: that is not kept.
    """

    dataset: Dataset
    train: Tensor
    validation: Tensor
    test: Tensor
    fingerprint: str
    queries: Tensor | None = None
    cache: Path | None = None

    def indices(self, split: Split) -> Tensor:
        """Return the image indices (int64) of a split.

        Raises:
            ValueError: There is no split of that name.
        """
        if split not in SPLITS:
            raise ValueError(f"{split!r} is not one of {', '.join(SPLITS)}")
        indices: Tensor = getattr(self, split)
        return indices

    def for_confirmation(self) -> "SplitDataset":
        """Return the data with the validation classes among those that are trained on.

        None is left for validation; the test classes, and the fingerprint, are as before. Classes
        of one image are not trained on, so that those of validation are in no split any more.
        """
        labels = self.dataset.labels[self.validation]
        added = self.validation[(torch.bincount(labels) > 1)[labels]]
        train = torch.cat((self.train, added)).sort().values
        return replace(self, train=train, validation=self.validation[:0])

    def class_count(self, split: Split) -> int:
        """Return the number of classes of a split."""
        return len(set(self.dataset.labels[self.indices(split)].tolist()))
