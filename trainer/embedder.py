"""The model: a trunk, a linear head, unit-length embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from trainer.backbone import create_trunk, feature_width

__all__ = ["Embedder", "TrunkInput"]


@dataclass(frozen=True, kw_only=True)
class TrunkInput:
    """The images that a trunk was made for, as timm's data configuration says.

    Attributes:
        mean: Of the values in [0, 1] of each colour channel.
        std: Their standard deviation.
        interpolation: How images were resampled.
        crop_share: Share of the short side that evaluation saw, in (0, 1].
        crop_mode: ``center``, ``squash`` (the sides out of proportion) or ``border``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_share: float
    crop_mode: str

    @classmethod
    def of(cls, trunk: nn.Module) -> "TrunkInput":
        """Return the configuration of a trunk; timm's defaults where it has none."""
        found = resolve_model_data_config(trunk)
        return cls(
            mean=tuple(found["mean"]),
            std=tuple(found["std"]),
            interpolation=found["interpolation"],
            crop_share=found["crop_pct"],
            crop_mode=found["crop_mode"],
        )


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
        self.trunk_input = TrunkInput.of(trunk)
        self.register_buffer(
            "mean", _per_channel(self.trunk_input.mean, channels), persistent=False
        )
        self.register_buffer("std", _per_channel(self.trunk_input.std, channels), persistent=False)
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


def _per_channel(values: Sequence[float], channels: int) -> Tensor:
    statistics = torch.tensor(values)
    if channels != len(statistics):
        statistics = statistics.mean().expand(channels)
    return statistics.reshape(1, channels, 1, 1).clone()
