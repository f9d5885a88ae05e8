"""The model: a trunk, a pooling of its features, a linear head, unit-length embeddings."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from objectives import InputError
from trainer.backbone import (
    compile_feature_map,
    create_trunk,
    feature_map,
    feature_width,
    map_width,
)
from trainer.config import TrialConfig
from trainer.pooling import build_pooling
from trainer.trunk_input import TrunkInput, resolve_input

__all__ = ["Embedder", "build_embedder"]


class Embedder(nn.Module):
    """A model that maps images to unit embeddings.

    On CUDA the trunk computes in bfloat16 where the device has it (autocast); weights, pooling
    (but the trunk's own), head and embeddings are float32. Channels come last in memory, which
    convolutions and pooling are faster with on both kinds of device; the shapes are as ever.

    Args:
        backbone: Name of a timm model, or a reference ``module:name`` to what makes a trunk of your
            own (`trainer.backbone.create_trunk`). Images are normalised by the mean and standard
            deviation of the trunk's ``pretrained_cfg``, or ImageNet's where it has none.
        pretrained: Whether to load pretrained weights (timm's are downloaded once, then cached).
        embedding_dim: D.
        channels: Colour channels of the images, 1 or 3.
        image_size: S, the side of the images in pixels.
        weights: A local file of weights, or a folder with one, instead (`trainer.weights`).
        pooling: ``default``, ``gem`` or ``avg_max`` (`trainer.pooling`).
        head_layer_norm: Whether a LayerNorm stands before the head.
        freeze_batch_norm: Whether the trunk's 2D BatchNorms keep their statistics and weights.
        freeze_patch_embedding: Whether the trunk's ``patch_embed`` keeps its weights.
        freeze_trunk: Whether the whole trunk, and the pooling, keep theirs.
        trunk_input: What the trunk was made for, where that is known; None: what it says itself.

    Attributes:
        channels: C.
        image_size: S.
        trunk_input: Scaling and cropping of images that the trunk was made for.

    Raises:
        InputError: There is no such model, its weights cannot be loaded, it does not take images of
            that size, it has no map of features to pool, or no patch embedding to freeze.
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
        weights: Path | None = None,
        pooling: str = "default",
        head_layer_norm: bool = False,
        freeze_batch_norm: bool = False,
        freeze_patch_embedding: bool = False,
        freeze_trunk: bool = False,
        trunk_input: TrunkInput | None = None,
    ) -> None:
        super().__init__()
        trunk = create_trunk(
            backbone,
            pretrained=pretrained,
            channels=channels,
            image_size=image_size,
            weights=weights,
        )
        self.channels, self.image_size = channels, image_size
        self.trunk_input: TrunkInput = trunk_input or resolve_input(trunk)
        self._frozen_norms = _batch_norms(trunk) if freeze_batch_norm else []
        for norm in self._frozen_norms:
            norm.requires_grad_(False)
        if freeze_patch_embedding:
            _patch_embedding(trunk, backbone).requires_grad_(False)
        width = feature_width(trunk, backbone=backbone, channels=channels, image_size=image_size)
        self.trunk = trunk
        self.pooling: nn.Module | None = None
        if pooling != "default":
            width = map_width(trunk, backbone=backbone, channels=channels, image_size=image_size)
            self.pooling = build_pooling(pooling)
        if freeze_trunk:
            trunk.requires_grad_(False)
            if self.pooling is not None:
                self.pooling.requires_grad_(False)
        self.head_norm = nn.LayerNorm(width) if head_layer_norm else nn.Identity()
        self.head = nn.Linear(width, embedding_dim)
        self._trained = [each for each in trunk.parameters() if each.requires_grad]
        self._trunk_held = False
        mean, std = self.trunk_input.mean, self.trunk_input.std
        self.register_buffer("mean", _per_channel(mean, channels), persistent=False)
        self.register_buffer("std", _per_channel(std, channels), persistent=False)
        self.to(memory_format=torch.channels_last)
        self.train()

    def forward(self, images: Tensor) -> Tensor:
        """Embed B x C x S x S images in [0, 1] as B x D unit vectors."""
        return self.project(self.features(images))

    def project(self, features: Tensor) -> Tensor:
        """Map B x F features to B x D unit vectors: what the head does."""
        return nn.functional.normalize(self.head(self.head_norm(features)), dim=1)

    def features(self, images: Tensor) -> Tensor:
        """Return the B x F pooled features of B x C x S x S images in [0, 1]."""
        scaled = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with _half_precision(images.device):
            found = self.trunk(scaled) if self.pooling is None else feature_map(self.trunk, scaled)
        precise: Tensor = found.to(self.head.weight.dtype)
        return precise if self.pooling is None else self.pooling(precise)

    def compile_trunk(self) -> None:
        """Have the trunk compiled when it is first called, in the form that it is called in."""
        if self.pooling is None:
            self.trunk.compile()
        else:
            compile_feature_map(self.trunk)

    def hold_trunk(self, held: bool) -> None:
        """Freeze the trunk, or let it be trained again but for what is frozen for good.

        While it is held, it computes as in evaluation, whatever `train` says, and keeps no graph.
        """
        self._trunk_held = held
        for parameter in self._trained:
            parameter.requires_grad_(not held)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Embedder":
        """Set the training mode, but not of a trunk that is held, nor of frozen BatchNorms."""
        super().train(mode)
        if self._trunk_held:
            self.trunk.eval()
        for norm in self._frozen_norms:
            norm.eval()
        return self


def build_embedder(
    config: TrialConfig, *, channels: int, image_size: int, trunk_input: TrunkInput | None = None
) -> Embedder:
    """Return the model of a trial, for images of so many channels and pixels a side.

    Raises:
        InputError: As `Embedder`.
    """
    return Embedder(
        backbone=config.backbone,
        pretrained=config.pretrained,
        embedding_dim=config.embedding_dim,
        channels=channels,
        image_size=image_size,
        weights=config.weights,
        pooling=config.pooling,
        head_layer_norm=config.head_layer_norm,
        freeze_batch_norm=config.freeze_batch_norm,
        freeze_patch_embedding=config.freeze_patch_embedding,
        freeze_trunk=config.trunk == "frozen",
        trunk_input=trunk_input,
    )


def _batch_norms(trunk: nn.Module) -> list[nn.Module]:
    """Return a trunk's 2D BatchNorms, which stay what they are where they are frozen.

    timm's `freeze_batch_norm_2d` replaces them by products and sums in float32, of which autocast
    makes every activation float32 too: two or three times what a BatchNorm reads and writes.
    """
    kinds = (nn.BatchNorm2d, nn.SyncBatchNorm)
    return [module for module in trunk.modules() if isinstance(module, kinds)]


def _patch_embedding(trunk: nn.Module, backbone: str) -> nn.Module:
    found = getattr(trunk, "patch_embed", None)
    if not isinstance(found, nn.Module):
        raise InputError(
            f"{backbone!r} has no patch embedding to freeze", field="freeze_patch_embedding"
        )
    return found


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
