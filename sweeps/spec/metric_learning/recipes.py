"""Recipes of metric learning: published settings, as the data set and the backbone have them."""

from collections.abc import Mapping
from typing import Any, Final

from objectives import InputError
from sweeps.spec.parameters import Choices, Range
from trainer import VALIDATION_SHARE, DataConfig, Recipe, fit_batch, kind_of

__all__ = ["recipe_fields"]

# Classes of official train halves, where published batches hold about all of them.
_TRAIN_CLASSES: Final = {"cub": 100, "cars": 98}


def recipe_fields(
    recipe: Recipe,
    data: DataConfig,
    fixed: Mapping[str, Any],
    sampled: Mapping[str, Choices | Range],
) -> dict[str, Any]:
    """Return a recipe's fields for the data set and the backbone of a spec."""
    fields = recipe.fields(data_set=data.name, backbone=_one_backbone(fixed, sampled))
    if "weights" in sampled or fixed.get("weights") is not None:
        del fields["pretrained"]
    samples = fixed.get("samples_per_class", fields["samples_per_class"])
    if isinstance(samples, int) and samples > 0:
        fields["batch_size"] = fit_batch(
            fields["batch_size"], samples_per_class=samples, classes=_most_train_classes(data)
        )
    return fields


def _one_backbone(fixed: Mapping[str, Any], sampled: Mapping[str, Choices | Range]) -> str | None:
    if "backbone" not in sampled:
        return str(fixed["backbone"]) if "backbone" in fixed else None
    names = [str(name) for name in sampled["backbone"].ends]
    if len({kind_of(name) for name in names}) > 1:
        raise InputError(
            f"a recipe differs between the kinds of backbone that are sampled ({', '.join(names)})",
            field=("backbone",),
        )
    return names[0]


def _most_train_classes(data: DataConfig) -> int | None:
    """Return the classes that validation leaves of an official train half."""
    share = data.validation_share or VALIDATION_SHARE
    classes = _TRAIN_CLASSES.get(data.name or "")
    return None if classes is None else int(classes * (1 - share))
