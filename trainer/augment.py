"""Light augmentation of a batch of images, on the device where they are."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augmentation_draws", "light_augment"]

_SHIFT: Final = 0.1
_SCALE: Final = 0.1
_ROTATION: Final = math.radians(10)
_BRIGHTNESS: Final = 0.1
_CONTRAST: Final = 0.1


def augmentation_draws(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw what `light_augment` does to a batch, 7 x B floats in [0, 1), on the generator's device.

    Args:
        count: B.
        generator: Source of the draws: equal states give equal draws.
    """
    return torch.rand(7, count, generator=generator, device=generator.device)


def light_augment(images: Tensor, draws: Tensor, *, horizontal_flip: bool) -> Tensor:
    """Shift, scale, rotate and tint each image by its own draws.

    The shift is up to 10 % of the side either way, the scale 0.9 to 1.1, the rotation up to
    10 degrees either way; brightness moves by up to 0.1 and contrast by up to a tenth. What comes
    into view repeats the border.

    Args:
        images: B x C x S x S floats in [0, 1].
        draws: 7 x B, from `augmentation_draws`, on the device of the images.
        horizontal_flip: Whether to mirror each image with probability one half.

    Returns:
        B x C x S x S floats in [0, 1].
    """
    draws = draws.to(images.dtype)
    # Uniform in [-1, 1).
    across, down, zoom, angle, brightness, contrast = draws[:6] * 2 - 1
    mirror = (draws[6] >= 0.5).to(images.dtype) * 2 - 1 if horizontal_flip else None
    theta = _affine(across, down, zoom, angle, mirror)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _tint(moved, brightness, contrast)


def _affine(
    across: Tensor, down: Tensor, zoom: Tensor, angle: Tensor, mirror: Tensor | None
) -> Tensor:
    """Return the B x 2 x 3 maps from places in the output to places in the input.

    Both are in units in which an image spans [-1, 1], twice its side's fraction.
    """
    cos, sin = torch.cos(angle * _ROTATION), torch.sin(angle * _ROTATION)
    size = 1 + zoom * _SCALE
    flip = torch.ones_like(size) if mirror is None else mirror
    first = torch.stack((flip * cos / size, -sin / size, across * 2 * _SHIFT), dim=1)
    second = torch.stack((flip * sin / size, cos / size, down * 2 * _SHIFT), dim=1)
    return torch.stack((first, second), dim=1)


def _tint(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    gain = (1 + contrast * _CONTRAST)[:, None, None, None]
    lift = (brightness * _BRIGHTNESS)[:, None, None, None]
    return ((images - mean) * gain + mean + lift).clamp(0, 1)
