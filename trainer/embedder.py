"""The model: a timm trunk, a linear head, unit-length embeddings."""

import difflib
from typing import Any

import timm
import torch
from torch import Tensor, nn

from objectives import InputError

__all__ = ["Embedder", "check_backbone"]


class Embedder(nn.Module):
    """Maps images to unit embeddings.

    On CUDA the trunk computes in bfloat16 where the device has it (autocast); weights, head and
    embeddings are float32. Channels come last in memory, which convolutions and pooling are faster
    with on both kinds of device; the shapes are as ever.

    Args:
        backbone: Name of a timm model.
        pretrained: Whether to load timm's pretrained weights (downloaded once, then cached).
        embedding_dim: D.
        channels: Colour channels of the images, 1 or 3.
        image_size: S, the side of the images in pixels.

    Raises:
        InputError: timm has no such model, its weights cannot be loaded, or it does not take
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
        trunk = _create_trunk(backbone, pretrained, channels, image_size)
        self.trunk = trunk
        self.head = nn.Linear(_features(trunk, backbone, channels, image_size), embedding_dim)
        cfg = trunk.pretrained_cfg
        self.register_buffer("mean", _per_channel(cfg["mean"], channels), persistent=False)
        self.register_buffer("std", _per_channel(cfg["std"], channels), persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Embed B x C x S x S images in [0, 1] as B x D unit vectors."""
        scaled = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with _half_precision(images.device):
            features = self.trunk(scaled)
        return nn.functional.normalize(self.head(features.to(self.head.weight.dtype)), dim=1)


def check_backbone(backbone: str) -> None:
    """Refuse a name that timm does not know.

    Raises:
        InputError: timm has no such model; the message lists some with similar names.
    """
    if not timm.is_model(backbone):
        names = timm.list_models()
        near = ", ".join(difflib.get_close_matches(backbone, names) or _containing(backbone, names))
        hint = f"near: {near}" if near else "timm.list_models() lists what it has"
        raise InputError(f"backbone: timm has no model {backbone!r}; {hint}")
    try:
        timm.get_pretrained_cfg(backbone)
    except RuntimeError as error:
        raise InputError(f"backbone: {backbone!r}: {error}") from None


def _half_precision(device: torch.device) -> torch.autocast:
    """Bfloat16 on a CUDA device that computes in it; elsewhere it would be slower than float32."""
    cuda = device.type == "cuda"
    enabled = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def _containing(part: str, names: list[str]) -> list[str]:
    return [name for name in names if part in name][:3]


def _create_trunk(backbone: str, pretrained: bool, channels: int, image_size: int) -> Any:
    check_backbone(backbone)
    # Most transformers are built for one size; convolutional trunks know no such argument.
    fixed = timm.get_pretrained_cfg(backbone).fixed_input_size
    try:
        return timm.create_model(
            backbone,
            pretrained=pretrained,
            num_classes=0,
            in_chans=channels,
            img_size=image_size if fixed else None,
        )
    except Exception as error:
        if pretrained:
            raise InputError(
                f"pretrained: the weights of {backbone!r} could not be loaded ({error})"
            ) from error
        raise _wrong_size(backbone, image_size, error) from error


@torch.no_grad()
def _features(trunk: Any, backbone: str, channels: int, image_size: int) -> int:
    """Return the width of the trunk's features, found by passing it an empty image."""
    try:
        features = trunk.eval()(torch.zeros(1, channels, image_size, image_size))
    except Exception as error:
        raise _wrong_size(backbone, image_size, error) from error
    trunk.train()
    return int(features.shape[1])


def _wrong_size(backbone: str, image_size: int, error: Exception) -> InputError:
    return InputError(
        f"backbone: {backbone!r} does not take images of {image_size} x {image_size} pixels "
        f"({error}); set data.image_size"
    )


def _per_channel(values: tuple[float, ...], channels: int) -> Tensor:
    statistics = torch.tensor(values)
    if channels != len(statistics):
        statistics = statistics.mean().expand(channels)
    return statistics.reshape(1, channels, 1, 1).clone()
