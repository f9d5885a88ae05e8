"""Checks of metric learning: what spaces and data have to keep to before a sweep starts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from objectives import InputError
from sweeps.spec.data import Data
from sweeps.spec.space import SearchSpace
from trainer import TrialConfig, input_error

if TYPE_CHECKING:
    from trainer import SplitDataset  # imports torch

__all__ = [
    "TRUNK_FIELDS",
    "check",
    "check_classes",
    "check_models",
    "check_values",
    "data_facts",
    "most_classes",
]

# The fields that decide on a trunk's features, and what these know before any training.
TRUNK_FIELDS: Final = ("backbone", "pretrained", "weights", "pooling")
# What a model is made of; each combination of their values must make one.
_MODEL_FIELDS: Final = (*TRUNK_FIELDS, "freeze_patch_embedding")


def check_values(values: Callable[[str], Sequence[Any]]) -> None:
    """Refuse values of a space that do not go together, whatever the data."""
    _check_batches(values)
    _check_course(values)


def _check_batches(values: Callable[[str], Sequence[Any]]) -> None:
    """Refuse batches that do not hold whole classes, or only one."""
    for batch_size in values("batch_size"):
        for samples in values("samples_per_class"):
            if batch_size % samples:
                raise InputError(
                    f"{batch_size} is not a multiple of samples_per_class ({samples}); every "
                    "combination in the space must be",
                    field="batch_size",
                )
            if batch_size == samples:
                raise InputError(
                    f"{batch_size} holds one class of samples_per_class ({samples}); a batch "
                    "needs two or more",
                    field="batch_size",
                )


def _check_course(values: Callable[[str], Sequence[Any]]) -> None:
    """Refuse fewer steps than epochs, a schedule of steps without any, a trunk never trained."""
    fewest = min((steps for steps in values("steps") if steps is not None), default=None)
    if fewest is not None and fewest < max(values("epochs")):
        raise InputError(
            f"{fewest} is fewer than epochs ({max(values('epochs'))}); an epoch needs a step",
            field="steps",
        )
    if "step" in values("schedule") and () in values("step_epochs"):
        raise InputError("step needs step_epochs", field="schedule")
    warming, fewest_epochs = max(values("head_warmup_epochs")), min(values("epochs"))
    if "trained" in values("trunk") and warming >= fewest_epochs:
        raise InputError(
            f"{warming} must be fewer than epochs ({fewest_epochs}), or the trunk is never "
            "trained; trunk: frozen says so",
            field="head_warmup_epochs",
        )


def check(space: SearchSpace, data: Data) -> None:
    """Refuse a model that cannot be made or does not take the images, and too few classes."""
    dataset = data.content.dataset
    check_models(space, channels=dataset.images.channels, size=dataset.image_size)
    check_classes(space, data.facts["train_classes"])


def check_models(space: SearchSpace, *, channels: int, size: int, fetched: bool = True) -> None:
    """Build each model of the space once, without timm's weights unless they are to be fetched."""
    from trainer import build_embedder

    without = {} if fetched else {"pretrained": False}
    for fields in space.combinations(*_MODEL_FIELDS):
        try:
            config = TrialConfig.model_validate({**fields, **without})
        except ValidationError as error:
            raise input_error(error) from None
        build_embedder(config, channels=channels, image_size=size)


def check_classes(space: SearchSpace, classes: int) -> None:
    """Refuse batches that need more classes than the training split has."""
    needed = most_classes(space)
    if needed > classes:
        raise InputError(
            f"a batch of this space can need {needed} classes (batch_size / samples_per_class), "
            f"the training split has {classes}",
            field="batch_size",
        )


def most_classes(space: SearchSpace) -> int:
    """Return how many classes a batch of the space can need."""
    return int(max(space.values("batch_size"))) // int(min(space.values("samples_per_class")))


def data_facts(data: "SplitDataset") -> dict[str, Any]:
    """Return what provenance says of the data."""
    return {
        "name": data.dataset.name,
        "fingerprint": data.fingerprint,
        "images": len(data.dataset.items),
        "train_classes": data.class_count("train"),
    }
