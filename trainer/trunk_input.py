"""The input that a trunk was made for."""

from collections.abc import Mapping
from dataclasses import dataclass

from timm.data import IMAGENET_DEFAULT_MEAN, resolve_model_data_config
from torch import nn

__all__ = ["TrunkInput", "resolve_input"]


@dataclass(frozen=True, kw_only=True)
class TrunkInput:
    """Scaling and cropping of images before a trunk sees them, as timm's data configuration has it.

    Attributes:
        mean: What is taken off each colour channel of images in [0, 1].
        std: What each is then divided by.
        interpolation: ``bicubic``, ``bilinear`` or another of timm's names.
        crop_share: Share of the short side that evaluation sees.
        crop_mode: ``center``, ``squash`` or ``border``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_share: float
    crop_mode: str


def resolve_input(trunk: nn.Module) -> TrunkInput:
    """Return a trunk's input by its ``pretrained_cfg``; what that lacks is timm's default."""
    found = getattr(trunk, "pretrained_cfg", None)
    # A mapping with something in it: timm would else look for the attribute itself.
    known = {"mean": IMAGENET_DEFAULT_MEAN, **(found if isinstance(found, Mapping) else {})}
    config = resolve_model_data_config(trunk, pretrained_cfg=known)
    return TrunkInput(
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=str(config["interpolation"]),
        crop_share=float(config["crop_pct"]),
        crop_mode=str(config["crop_mode"]),
    )
