"""The trunk of a model: one of timm's, or of the user's own making."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from objectives import InputError
from trainer.references import import_object
from trainer.weights import describe_misfit, first_line, read_weights

__all__ = [
    "check_backbone",
    "compile_feature_map",
    "create_trunk",
    "feature_map",
    "feature_width",
    "map_width",
]


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


def create_trunk(
    backbone: str, *, pretrained: bool, channels: int, image_size: int, weights: Path | None = None
) -> nn.Module:
    """Make the trunk, which maps B x C x S x S images to B x F features.

    Args:
        backbone: Name of a timm model; or a reference ``module:name`` to what makes a module when
            it is called with timm's own words ``pretrained``, ``in_chans`` and ``img_size``.
        pretrained: Whether to load timm's pretrained weights.
        channels: C.
        image_size: S, in pixels.
        weights: A file of weights, or a folder with one, to load instead (`trainer.weights`). For a
            timm model they are brought to these channels and this size as its pretrained ones are,
            and what they have of a classifier is left out.

    Raises:
        InputError: As `check_backbone`; the weights cannot be loaded or do not fit, the size is not
            taken, or what was called makes no module.
    """
    check_backbone(backbone)
    if ":" in backbone:
        trunk = _own_trunk(backbone, pretrained, channels, image_size)
        return trunk if weights is None else _with_weights(trunk, backbone, weights)
    if weights is not None:
        return _timm_trunk_of(weights, backbone, channels, image_size)
    try:
        return _timm_trunk(backbone, channels, image_size, pretrained=pretrained)
    except Exception as error:
        if pretrained:
            raise InputError(
                f"the weights of {backbone!r} could not be loaded ({first_line(error)}); on a "
                "machine without network, set weights: FILE to a file or folder that holds them",
                field="pretrained",
            ) from error
        raise _wrong_size(backbone, image_size, error) from error


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


@torch.no_grad()
def map_width(trunk: nn.Module, *, backbone: str, channels: int, image_size: int) -> int:
    """Return the channels of the trunk's map of features, found as `feature_width` does.

    Raises:
        InputError: The trunk has no map of features: a transformer's tokens, or no
            ``forward_features``.
    """
    features: object = None
    if callable(getattr(trunk, "forward_features", None)):
        features = feature_map(trunk.eval(), torch.zeros(1, channels, image_size, image_size))
        trunk.train()
    if not isinstance(features, Tensor) or features.ndim != 4:
        raise InputError(
            f"{backbone!r} has no map of features to pool; set pooling: default", field="pooling"
        )
    return int(features.shape[1])


def feature_map(trunk: nn.Module, images: Tensor) -> Tensor:
    """Return the trunk's B x C x H x W features of images, before its own pooling."""
    features: Tensor = getattr(trunk, "forward_features")(images)  # noqa: B009
    last = getattr(trunk, "output_fmt", None) == "NHWC" and features.ndim == 4
    return features.permute(0, 3, 1, 2) if last else features


def compile_feature_map(trunk: nn.Module) -> None:
    """Compile what `feature_map` calls, which a module's own ``compile`` leaves as it is."""
    setattr(trunk, "forward_features", torch.compile(getattr(trunk, "forward_features")))  # noqa: B009, B010


def _timm_trunk(
    backbone: str,
    channels: int,
    image_size: int,
    *,
    pretrained: bool,
    overlay: Mapping[str, object] | None = None,
) -> nn.Module:
    # Most transformers are built for one size; convolutional trunks know no such argument.
    fixed = timm.get_pretrained_cfg(backbone).fixed_input_size
    trunk: nn.Module = timm.create_model(
        backbone,
        pretrained=pretrained,
        pretrained_cfg_overlay=overlay,
        num_classes=0,
        in_chans=channels,
        img_size=image_size if fixed else None,
    )
    return trunk


def _timm_trunk_of(weights: Path, backbone: str, channels: int, image_size: int) -> nn.Module:
    """Have timm load weights as if they were its own pretrained ones, which it converts."""
    classifier = timm.get_pretrained_cfg(backbone).classifier or ()
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    left_out = {f"{layer}.{name}" for layer in layers for name in ("weight", "bias")}
    found = {key: value for key, value in read_weights(weights).items() if key not in left_out}
    # Weights that are said to have no classifier, as the trunk has none, are loaded strictly.
    overlay = {"state_dict": found, "num_classes": 0, "label_offset": 0}
    try:
        trunk = _timm_trunk(backbone, channels, image_size, pretrained=True, overlay=overlay)
    except Exception as error:
        try:
            plain = _timm_trunk(backbone, channels, image_size, pretrained=False)
        except Exception as fault:
            raise _wrong_size(backbone, image_size, fault) from fault
        misfit = describe_misfit(found, plain) or f"cannot be loaded ({first_line(error)})"
        raise _misfit(backbone, weights, misfit) from error
    configuration: dict[str, object] = getattr(trunk, "pretrained_cfg", {})
    configuration.pop("state_dict", None)  # else the trunk would keep a second copy
    return trunk


def _with_weights(trunk: nn.Module, backbone: str, weights: Path) -> nn.Module:
    found = read_weights(weights)
    misfit = describe_misfit(found, trunk)
    if misfit:
        raise _misfit(backbone, weights, misfit)
    trunk.load_state_dict(found)
    return trunk


def _misfit(backbone: str, weights: Path, misfit: str) -> InputError:
    return InputError(f"does not fit {backbone!r}: it {misfit}", field="weights", file=weights)


def _own_trunk(backbone: str, pretrained: bool, channels: int, image_size: int) -> nn.Module:
    try:
        trunk = _builder(backbone)(pretrained=pretrained, in_chans=channels, img_size=image_size)
    except (Exception, SystemExit) as error:
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
