"""Outlines of data sets: labels, classes and splits as they are, images of random pixels."""

import torch

from trainer.data.dataset import Dataset, SplitDataset, TensorImages

__all__ = ["random_images", "stand_in_data"]

# Bytes by which the noise of one image is shifted against the noise of the one before.
_SHIFT = 97


def random_images(count: int, *, channels: int, size: int) -> TensorImages:
    """Return different images of noise that share their memory: windows of one sequence.

    Args:
        count: Their number; a million of them take 97 MB.
        channels: C.
        size: Side of the square images in pixels.
    """
    length = channels * size * size
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(
        256, (length + _SHIFT * (count - 1),), dtype=torch.uint8, generator=generator
    )
    windows = noise.unfold(0, length, _SHIFT)
    return TensorImages(pixels=windows.unflatten(1, (channels, size, size)))


def stand_in_data(*, classes: int, channels: int, size: int) -> SplitDataset:
    """Return data for a training step where there are none yet: two images of noise a class.

    Args:
        classes: Of the training split; validation and test have two each.
        channels: C.
        size: Side of the square images in pixels.
    """
    labels = torch.arange(classes + 4).repeat_interleave(2)
    dataset = Dataset(
        name="noise",
        items=tuple(map(str, range(len(labels)))),
        labels=labels,
        class_names=tuple(map(str, range(classes + 4))),
        images=random_images(len(labels), channels=channels, size=size),
        image_size=size,
    )
    train, validation, test = torch.arange(len(labels)).split([2 * classes, 4, 4])
    return SplitDataset(
        dataset=dataset, train=train, validation=validation, test=test, fingerprint=""
    )
