"""Pixels of whole images."""

import torch
from torch import Tensor

from trainer.data import Images


def pixels_of(images: Images, indices: Tensor | None = None) -> Tensor:
    """Return images, all or those at the indices, B x C x H x W uint8, H and W the largest."""
    chosen = torch.arange(len(images)) if indices is None else indices
    shapes = images.shapes[chosen]
    return images.crops(chosen, torch.cat((torch.zeros_like(shapes), shapes), dim=1))
