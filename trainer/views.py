"""Views of images: the boxes that a model sees of them, in evaluation and in training."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from trainer.resample import SUPPORT

__all__ = ["EvaluationCrop", "Views", "evaluation_views", "random_views"]

# As torchvision's `RandomResizedCrop`: what does not fit in ten draws becomes the largest centre.
_ATTEMPTS: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """One view of each of B images.

    Attributes:
        windows: B x 4 int64, top, left, height and width: the pixels that are looked at.
        boxes: B x 4 float64, top, left, height and width in pixels: what becomes the square.
        mirrored: B bool; whether left and right change places.
    """

    windows: Tensor
    boxes: Tensor
    mirrored: Tensor

    def of_windows(self) -> "Views":
        """Return the same views of images of which only the windows are left."""
        corner = torch.cat((self.windows[:, :2], torch.zeros_like(self.windows[:, 2:])), dim=1)
        return Views(
            windows=self.windows - corner, boxes=self.boxes - corner, mirrored=self.mirrored
        )

    def show_all(self, shapes: Tensor, size: int) -> bool:
        """Whether each image, of B x 2 heights and widths, is a square that is seen as it is."""
        whole = torch.tensor([0, 0, size, size])
        squares = bool((shapes == size).all())
        return squares and bool((self.boxes == whole).all()) and not bool(self.mirrored.any())


@dataclass(frozen=True, kw_only=True)
class EvaluationCrop:
    """The part of an image that evaluation sees, and what it becomes.

    As timm does it, but at once: the short side is resized to S / ``share``, and of that the centre
    cut out, each to whole pixels.

    Attributes:
        size: S, in pixels.
        share: Share of the short side that is seen, in (0, 1].
        squash: Whether the whole height and width are seen, whatever becomes of their proportion.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    size: int
    share: float = 1.0
    squash: bool = False
    interpolation: str = "bicubic"


def evaluation_views(shapes: Tensor, crop: EvaluationCrop) -> Views:
    """Return the centre of each image.

    Args:
        shapes: B x 2 int64, heights and widths.
        crop: What is seen.
    """
    sides = shapes if crop.squash else shapes.min(1, keepdim=True).values
    resized = shapes * math.floor(crop.size / crop.share) // sides
    corners = ((resized - crop.size).double() / 2).round()
    extents = torch.full_like(corners, crop.size)
    boxes = torch.cat((corners, extents), dim=1) * (shapes.double() / resized).repeat(1, 2)
    windows = _around(boxes, shapes, crop)
    return Views(windows=windows, boxes=boxes, mirrored=torch.zeros(len(shapes), dtype=torch.bool))


def random_views(
    shapes: Tensor,
    *,
    scale_min: float,
    ratio_max: float,
    horizontal_flip: bool,
    generator: torch.Generator,
) -> Views:
    """Return a random resized crop of each image (Szegedy et al., CVPR 2015, arXiv 1409.4842).

    The area is uniform in [``scale_min``, 1] of the image's, the logarithm of width / height
    uniform between those of 1 / ``ratio_max`` and ``ratio_max``, and the place uniform, as in
    torchvision's `RandomResizedCrop`.

    Args:
        shapes: B x 2 int64, heights and widths.
        scale_min: Smallest share of the area, in (0, 1].
        ratio_max: Largest width / height, and height / width, >= 1.
        horizontal_flip: Whether to mirror each with probability one half.
        generator: Source of the draws, on the CPU.
    """
    count = len(shapes)
    draws = torch.rand(_ATTEMPTS, 2, count, generator=generator, dtype=torch.float64)
    places = torch.rand(3, count, generator=generator, dtype=torch.float64)
    sides = _random_sides(shapes, draws, scale_min=scale_min, ratio_max=ratio_max)
    corners = (places[:2].T * (shapes - sides + 1)).long()
    boxes = torch.cat((corners, sides), dim=1)
    mirrored = (places[2] >= 0.5) & horizontal_flip
    return Views(windows=boxes, boxes=boxes.double(), mirrored=mirrored)


def _random_sides(shapes: Tensor, draws: Tensor, *, scale_min: float, ratio_max: float) -> Tensor:
    """Return B x 2 heights and widths, by the first of the A x 2 x B draws that fits."""
    areas = shapes.prod(1) * (scale_min + (1 - scale_min) * draws[:, 0])
    ratios = torch.exp(math.log(ratio_max) * (2 * draws[:, 1] - 1))
    tried = torch.stack(((areas / ratios).sqrt(), (areas * ratios).sqrt()), dim=2).round().long()
    fits = ((tried > 0) & (tried <= shapes)).all(2)
    first = fits.int().argmax(0)
    chosen = tried[first, torch.arange(len(shapes))]
    return torch.where(fits.any(0)[:, None], chosen, _largest_sides(shapes, ratio_max))


def _largest_sides(shapes: Tensor, ratio_max: float) -> Tensor:
    """Return the largest sides that keep to the ratio."""
    return torch.minimum(shapes, (shapes.flip(1) * ratio_max).round().long())


def _around(boxes: Tensor, shapes: Tensor, crop: EvaluationCrop) -> Tensor:
    """Return the whole pixels that a filter needs to resample the boxes."""
    reach = (boxes[:, 2:] / crop.size).clamp(min=1) * SUPPORT[crop.interpolation]
    first = (boxes[:, :2] - reach).floor().long().clamp(min=0)
    last = torch.minimum((boxes[:, :2] + boxes[:, 2:] + reach).ceil().long(), shapes)
    return torch.cat((first, last - first), dim=1)
