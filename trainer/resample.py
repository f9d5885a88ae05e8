"""Boxes of images resampled to squares, each image by a box of its own, with antialiasing."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from objectives import InputError

__all__ = ["INTERPOLATIONS", "SUPPORT", "resample"]


def resample(
    pixels: Tensor,
    *,
    windows: Tensor,
    boxes: Tensor,
    mirrored: Tensor,
    size: int,
    interpolation: str,
) -> Tensor:
    """Resample a box of each image to a square, as Pillow does and torch with ``antialias=True``.

    Each axis is a matrix of filter weights, one for each image, so that the whole batch takes two
    batched matrix products, on any device. Where a box is smaller than the square it is enlarged
    by the filter, where it is larger the filter is widened to what an output pixel covers. Pixels
    outside an image's window weigh nothing.

    Args:
        pixels: B x C x H x W, uint8 or floats of 0 to 255.
        windows: B x 4 int64, top, left, height and width: the pixels that may be looked at.
        boxes: B x 4 floats, top, left, height and width in pixels: what becomes the square.
        mirrored: B bool; whether left and right change places. All are on the pixels' device.
        size: S, the side of the squares.
        interpolation: ``bilinear`` or ``bicubic`` (Keys, a = -0.5).

    Returns:
        B x C x S x S floats in [0, 1].

    Raises:
        objectives.InputError: There is no such interpolation.
    """
    if interpolation not in _FILTERS:
        raise InputError(f"{interpolation!r} is not one of {', '.join(_FILTERS)}")
    batch, channels, height, width = pixels.shape
    boxes = boxes.float()
    down = _weights(windows[:, 0::2], boxes[:, 0::2], height, size, interpolation)
    across = _weights(windows[:, 1::2], boxes[:, 1::2], width, size, interpolation)
    across = torch.where(mirrored[:, None, None], across.flip(1), across)
    rows = pixels.float().reshape(batch, channels * height, width) @ across.mT
    squares = down[:, None] @ rows.reshape(batch, channels, height, size)
    return squares.div_(255).clamp_(0, 1)


def _weights(windows: Tensor, boxes: Tensor, length: int, size: int, interpolation: str) -> Tensor:
    """Return B x S x L weights of the pixels of one axis, from B x 2 starts and extents."""
    start, extent = boxes[:, 0, None], boxes[:, 1, None]
    step = extent / size
    steps = torch.arange(size, device=boxes.device)
    centres = start + (steps + 0.5) * step
    places = torch.arange(length, device=boxes.device)
    distances = (places + 0.5 - centres[..., None]) / step.clamp(min=1)[..., None]
    weights: Tensor = _FILTERS[interpolation](distances.abs_())
    first, last = windows[:, 0, None, None], windows.sum(1)[:, None, None]
    weights *= (places >= first) & (places < last)
    return weights.div_(weights.sum(2, keepdim=True))


def _triangle(distances: Tensor) -> Tensor:
    return (1 - distances).clamp_(min=0)


def _cubic(distances: Tensor) -> Tensor:
    """Keys, IEEE Trans. ASSP 1981, with a = -0.5."""
    near = (1.5 * distances - 2.5) * distances.square() + 1
    far = ((2.5 - 0.5 * distances) * distances - 4) * distances + 2
    return torch.where(distances < 1, near, far * (distances < 2))


_FILTERS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
}
INTERPOLATIONS: Final = tuple(_FILTERS)
# How far a filter reaches, in pixels of the coarser of the two grids.
SUPPORT: Final[Mapping[str, int]] = {"bilinear": 1, "bicubic": 2}
