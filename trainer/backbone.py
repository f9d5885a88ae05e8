"""The trunk of a model: one of timm's, or of the user's own making."""

import difflib
from collections.abc import Callable
from typing import Any

import timm
import torch
from torch import Tensor, nn

from objectives import InputError
from trainer.references import import_object

__all__ = ["check_backbone", "create_trunk", "feature_width"]


def check_backbone(backbone: str) -> None:
    """Refuse a name that timm does not know, or a reference that leads to nothing.

    Raises:
        InputError: timm has no such model; the message lists some with similar names. Or the
            reference ``module:name`` leads to nothing that can be called.
    """
    if ":" in backbone:
        _builder(backbone)
        return
    if not timm.is_model(backbone):
        names = timm.list_models()
        near = ", ".join(difflib.get_close_matches(backbone, names) or _containing(backbone, names))
        hint = f"near: {near}" if near else "timm.list_models() lists what it has"
        raise InputError(f"timm has no model {backbone!r}; {hint}", field="backbone")
    try:
        timm.get_pretrained_cfg(backbone)
    except RuntimeError as error:
        raise InputError(f"{backbone!r}: {error}", field="backbone") from None


def create_trunk(backbone: str, *, pretrained: bool, channels: int, image_size: int) -> nn.Module:
    """Make the trunk, which maps B x C x S x S images to B x F features.

    Args:
        backbone: Name of a timm model; or a reference ``module:name`` to what makes a module when
            it is called with timm's own words ``pretrained``, ``in_chans`` and ``img_size``.
        pretrained: Whether to load pretrained weights.
        channels: C.
        image_size: S, in pixels.

    Raises:
        InputError: As `check_backbone`; the weights cannot be loaded, the size is not taken, or
            what was called makes no module.
    """
    check_backbone(backbone)
    if ":" in backbone:
        return _own_trunk(backbone, pretrained, channels, image_size)
    # Most transformers are built for one size; convolutional trunks know no such argument.
    fixed = timm.get_pretrained_cfg(backbone).fixed_input_size
    try:
        trunk: nn.Module = timm.create_model(
            backbone,
            pretrained=pretrained,
            num_classes=0,
            in_chans=channels,
            img_size=image_size if fixed else None,
        )
    except Exception as error:
        if pretrained:
            raise InputError(
                f"the weights of {backbone!r} could not be loaded ({error})", field="pretrained"
            ) from error
        raise _wrong_size(backbone, image_size, error) from error
    return trunk


@torch.no_grad()
def feature_width(trunk: nn.Module, *, backbone: str, channels: int, image_size: int) -> int:
    """Return F, found by passing the trunk an empty image.

    Raises:
        InputError: The trunk does not take images of that size, or returns no B x F features.
    """
    try:
        features: Tensor = trunk.eval()(torch.zeros(1, channels, image_size, image_size))
    except Exception as error:
        raise _wrong_size(backbone, image_size, error) from error
    trunk.train()
    if not isinstance(features, Tensor) or features.ndim != 2:
        shape = " x ".join(map(str, getattr(features, "shape", ()))) or type(features).__name__
        raise InputError(
            f"{backbone!r} must map an image to 1 x F features, not to {shape}", field="backbone"
        )
    return int(features.shape[1])


def _own_trunk(backbone: str, pretrained: bool, channels: int, image_size: int) -> nn.Module:
    try:
        trunk = _builder(backbone)(pretrained=pretrained, in_chans=channels, img_size=image_size)
    except Exception as error:
        raise InputError(f"{backbone!r} failed ({error})", field="backbone") from error
    if not isinstance(trunk, nn.Module):
        raise InputError(
            f"{backbone!r} must return a torch module, not {type(trunk).__name__}", field="backbone"
        )
    return trunk


def _builder(reference: str) -> Callable[..., Any]:
    found: object = import_object(reference, field="backbone")
    if not callable(found):
        raise InputError(
            f"{reference!r} cannot be called; it is of type {type(found).__name__}",
            field="backbone",
        )
    return found


def _containing(part: str, names: list[str]) -> list[str]:
    return [name for name in names if part in name][:3]


def _wrong_size(backbone: str, image_size: int, error: Exception) -> InputError:
    return InputError(
        f"{backbone!r} does not take images of {image_size} x {image_size} pixels "
        f"({error}); set data.image_size",
        field="backbone",
    )
