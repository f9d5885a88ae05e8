"""The model: a trunk, a linear head, unit-length embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from trainer.backbone import create_trunk, feature_width

__all__ = ["Embedder"]


class Embedder(nn.Module):
    """A model that maps images to unit embeddings.

    On CUDA the trunk computes in bfloat16 where the device has it (autocast); weights, head and
    embeddings are float32. Channels come last in memory, which convolutions and pooling are faster
    with on both kinds of device; the shapes are as ever.

    Args:
        backbone: Name of a timm model, or a reference ``module:name`` to what makes a trunk of your
            own (`trainer.backbone.create_trunk`). Images are normalised by the mean and standard
            deviation of the trunk's ``pretrained_cfg``, or ImageNet's where it has none.
        pretrained: Whether to load pretrained weights (timm's are downloaded once, then cached).
        embedding_dim: D.
        channels: Colour channels of the images, 1 or 3.
        image_size: S, the side of the images in pixels.

    Raises:
        InputError: There is no such model, its weights cannot be loaded, or it does not take
            images of that size.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        backbone: str,
        pretrained: bool,
        embedding_dim: int,
        channels: int,
        image_size: int,
    ) -> None:
        super().__init__()
        trunk = create_trunk(
            backbone, pretrained=pretrained, channels=channels, image_size=image_size
        )
        width = feature_width(trunk, backbone=backbone, channels=channels, image_size=image_size)
        self.trunk = trunk
        self.head = nn.Linear(width, embedding_dim)
        mean, std = _statistics(trunk)
        self.register_buffer("mean", _per_channel(mean, channels), persistent=False)
        self.register_buffer("std", _per_channel(std, channels), persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Embed B x C x S x S images in [0, 1] as B x D unit vectors."""
        return nn.functional.normalize(self.head(self.features(images)), dim=1)

    def features(self, images: Tensor) -> Tensor:
        """Map B x C x S x S images in [0, 1] to the B x F float32 features of the trunk."""
        scaled = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with _half_precision(images.device):
            features: Tensor = self.trunk(scaled)
        return features.to(self.head.weight.dtype)


def _half_precision(device: torch.device) -> torch.autocast:
    """Bfloat16 on a CUDA device that computes in it; elsewhere it would be slower than float32."""
    cuda = device.type == "cuda"
    enabled = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def _statistics(trunk: nn.Module) -> tuple[Sequence[float], Sequence[float]]:
    """Return the mean and standard deviation, by colour channel, that the trunk expects."""
    found = getattr(trunk, "pretrained_cfg", None)
    cfg: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    return cfg.get("mean", IMAGENET_DEFAULT_MEAN), cfg.get("std", IMAGENET_DEFAULT_STD)


def _per_channel(values: Sequence[float], channels: int) -> Tensor:
    statistics = torch.tensor(values)
    if channels != len(statistics):
        statistics = statistics.mean().expand(channels)
    return statistics.reshape(1, channels, 1, 1).clone()
