"""Metric learning as a workload: trials of `trainer`, scored by `objectives`, exported as margins.

The one module of `sweeps` that knows a hyperparameter, the TCM loss or a metric by name.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Final

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, Calibration, InputError
from sweeps.spec.controls import ControlRule
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace
from sweeps.spec.space_rules import SpaceRules
from sweeps.spec.workload import ControlTrial, Data, PickedTrial, Run, Workload
from trainer import (
    ORDERED_FIELDS,
    TCM_FIELDS,
    TCM_WEIGHTS,
    Comparison,
    DataConfig,
    OperatingPoint,
    TrialConfig,
    TunedData,
    TunedMargins,
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


def _check(space: SearchSpace, data: Data) -> None:
    """Refuse a backbone that timm lacks or that does not take the images, and too few classes."""
    from trainer import Embedder

    images = data.content.dataset.images
    for backbone, pretrained in product(space.values("backbone"), space.values("pretrained")):
        Embedder(
            backbone=str(backbone),
            pretrained=bool(pretrained),
            embedding_dim=2,
            channels=images.channels,
            image_size=data.content.dataset.image_size,
        )
    needed = int(max(space.values("batch_size"))) // int(min(space.values("samples_per_class")))
    classes = data.facts["train_classes"]
    if needed > classes:
        raise InputError(
            f"a batch of this space can need {needed} classes (batch_size / samples_per_class), "
            f"the training split has {classes}",
            field="batch_size",
        )


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
        check=_check_batches,
    ),
    check=_check,
    export=_export,
)
