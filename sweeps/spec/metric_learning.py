"""Metric learning as a workload: trials of `trainer`, scored by `objectives`, exported as margins.

The one module of `sweeps` that knows a hyperparameter, the TCM loss or a metric by name.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, Calibration, InputError
from sweeps.spec.controls import ControlRule
from sweeps.spec.parameters import Choices, Range
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace
from sweeps.spec.space_rules import SpaceRules
from sweeps.spec.workload import ControlTrial, Data, PickedTrial, Run, Workload
from trainer import (
    ORDERED_FIELDS,
    RECIPES,
    TCM_FIELDS,
    TCM_WEIGHTS,
    Comparison,
    DataConfig,
    OperatingPoint,
    Recipe,
    TrialConfig,
    TunedData,
    TunedMargins,
    fit_batch,
    input_error,
    kind_of,
)

__all__ = ["workload"]


def _open(config: DataConfig) -> Data:
    from trainer import load_data  # imports torch

    data = load_data(config)
    facts = {
        "name": data.dataset.name,
        "fingerprint": data.fingerprint,
        "images": len(data.dataset.items),
        "train_classes": data.class_count("train"),
    }
    return Data(fingerprint=data.fingerprint, facts=facts, content=data)


def _prepare(resources: Resources) -> None:
    import torch

    from trainer import keep_freed_memory

    # Ray hands an actor one CPU's worth of work; torch would take every core.
    torch.set_num_threads(resources.cpu)
    keep_freed_memory()


def _start(config: TrialConfig, data: Data, scoring: Calibration, resources: Resources) -> Run:
    import torch

    from trainer import TrainingRun

    device = torch.device("cuda" if resources.gpu else "cpu")
    return TrainingRun(config, data.content, device=device, calibration=scoring)


def _check_batches(values: Callable[[str], Sequence[Any]]) -> None:
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
    fewest = min((steps for steps in values("steps") if steps is not None), default=None)
    if fewest is not None and fewest < max(values("epochs")):
        raise InputError(
            f"{fewest} is fewer than epochs ({max(values('epochs'))}); an epoch needs a step",
            field="steps",
        )
    if "step" in values("schedule") and () in values("step_epochs"):
        raise InputError("step needs step_epochs", field="schedule")


def _check_space(values: Callable[[str], Sequence[Any]]) -> None:
    _check_batches(values)
    _check_course(values)


# What a model is made of; each combination of their values must make one.
_MODEL: Final = ("backbone", "pretrained", "weights", "pooling", "freeze_patch_embedding")


def _check(space: SearchSpace, data: Data) -> None:
    """Refuse a model that cannot be made or does not take the images, and too few classes."""
    from trainer import build_embedder

    images = data.content.dataset.images
    for fields in space.combinations(*_MODEL):
        try:
            config = TrialConfig.model_validate(fields)
        except ValidationError as error:
            raise input_error(error) from None
        build_embedder(config, channels=images.channels, image_size=images.size)
    needed = int(max(space.values("batch_size"))) // int(min(space.values("samples_per_class")))
    classes = data.facts["train_classes"]
    if needed > classes:
        raise InputError(
            f"a batch of this space can need {needed} classes (batch_size / samples_per_class), "
            f"the training split has {classes}",
            field="batch_size",
        )


# Classes of official train halves, where published batches hold about all of them.
_TRAIN_CLASSES: Final = {"cub": 100, "cars": 98}


def _recipe_fields(
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
    """Return the classes that validation leaves of an official train half, a quarter by default."""
    share = getattr(data, "validation_share", None) or 0.25
    classes = _TRAIN_CLASSES.get(data.name or "")
    return None if classes is None else int(classes * (1 - share))


def _export(trial: PickedTrial) -> TunedMargins:
    config = TrialConfig.model_validate(trial.config)
    return TunedMargins(
        sweep=trial.sweep,
        trial=trial.number,
        pick=trial.pick,
        loss=config.loss,
        margin_positive=config.margin_positive,
        margin_negative=config.margin_negative,
        weight_positive=config.weight_positive,
        weight_negative=config.weight_negative,
        batch_size=config.batch_size,
        samples_per_class=config.samples_per_class,
        config=config,
        metrics=trial.metrics,
        split=trial.split,
        epoch=trial.epoch,
        seeds=trial.seeds,
        control=_comparison(trial.control),
        operating_point=_operating_point(trial),
        data=TunedData(
            source=trial.spec["data"],
            fingerprint=trial.provenance["data"]["fingerprint"],
            train_classes=trial.provenance["data"]["train_classes"],
        ),
        provenance=trial.provenance,
    )


def _comparison(control: ControlTrial | None) -> Comparison | None:
    if control is None:
        return None
    return Comparison(
        trial=control.number,
        metrics=control.metrics,
        difference=control.difference,
        differs_in=control.differs_in,
    )


def _operating_point(trial: PickedTrial) -> OperatingPoint:
    distance = trial.metrics["operating_threshold"]
    return OperatingPoint(
        distance=distance,
        cosine_similarity=1 - distance**2 / 2,
        far=trial.spec["scoring"]["operating_far"],
        d_min=trial.metrics["d_min"],
        d_max=trial.metrics["d_max"],
        split=trial.split,
    )


_OFF: Final[Mapping[str, float]] = dict.fromkeys(TCM_WEIGHTS, 0.0)

workload: Final = Workload(
    config=TrialConfig,
    objectives=OBJECTIVES,
    default_objectives=DEFAULT_OBJECTIVES,
    last_epoch=lambda config: int(config.epochs),
    prepare=_prepare,
    start=_start,
    data=DataConfig,
    open_data=_open,
    scoring=Calibration,
    rules=SpaceRules(
        ordered=ORDERED_FIELDS,
        control=ControlRule(
            off=_OFF, without=frozenset(TCM_FIELDS), each="loss", label="TCM weight 0"
        ),
        check=_check_space,
    ),
    recipes={name: partial(_recipe_fields, recipe) for name, recipe in RECIPES.items()},
    check=_check,
    export=_export,
)
