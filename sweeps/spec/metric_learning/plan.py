"""Plan of metric learning: what a dry run can say of trials without training one."""

import math
import os
from dataclasses import replace
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Any, Final

from objectives import InputError
from sweeps.spec.cache import Cache
from sweeps.spec.forecast import Forecast
from sweeps.spec.metric_learning.checks import (
    check_classes,
    check_models,
    data_facts,
    most_classes,
)
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace
from trainer import DataConfig, SplitConfig, TrialConfig

if TYPE_CHECKING:
    from trainer import SplitDataset, TrialProbe  # import torch

__all__ = ["plan"]

_RGB: Final = 3
_GIGABYTE: Final = 10**9
# The pixels of photographs over the JPEGs of the cache that hold them.
_JPEG_SHARE: Final = 8


def plan(space: SearchSpace, section: DataConfig, cache: Cache, resources: Resources) -> Forecast:
    """Check the space, list the data, and time two steps of a control on images of noise.

    No image is opened, and no pretrained weights are fetched; those of a file have to be there.

    Raises:
        InputError: There is no such backbone, it does not take images of that size, its file of
            weights cannot be loaded, or a batch needs more classes than the training split has.
    """
    import torch

    from trainer import keep_freed_memory, probe_trial, stand_in_data

    data, missing = _outline(section)
    channels = data.dataset.images.channels if data else _RGB
    check_models(space, channels=channels, size=section.size, fetched=False)
    if data is not None:
        check_classes(space, data.class_count("train"))
    config = TrialConfig.model_validate(space.controls()[0][1].model_dump())
    forecast = Forecast(
        trial=_trial_facts(config, data, None),
        data=_data_facts(section, data, cache.folder),
        gpus=torch.cuda.device_count(),
        missing=missing,
    )
    if resources.gpu and not forecast.gpus:
        unknown = "a trial asks for a GPU, and this machine has none"
        return replace(forecast, unknown=unknown)
    torch.set_num_threads(min(resources.cpu, os.cpu_count() or 1))
    keep_freed_memory()
    stand_in = stand_in_data(classes=most_classes(space), channels=channels, size=section.size)
    probe = probe_trial(
        config,
        data or stand_in,
        device=torch.device("cuda" if resources.gpu else "cpu"),
    )
    return replace(
        forecast,
        trial=_trial_facts(config, data, probe),
        seconds=None if data is None else _seconds(config, data, probe),
        once=0.0 if data is None else _feature_seconds(config, data, probe),
        memory=probe.memory,
        unknown=_unknown(data, probe),
    )


def _outline(section: DataConfig) -> tuple["SplitDataset | None", str | None]:
    """Return the data without their images; where they cannot be listed, None and why."""
    from trainer import outline_data

    try:
        return outline_data(section), None
    except InputError as error:
        return None, str(error)


def _unknown(data: "SplitDataset | None", probe: "TrialProbe") -> str:
    if data is None:
        return "the data are not there"
    if probe.memory is None:
        return f"a step was timed with a batch of {probe.batch_size} only, for it takes long here"
    return ""


def _seconds(config: TrialConfig, data: "SplitDataset", probe: "TrialProbe") -> float:
    """Return the seconds of a trial: of its training steps, and of its measuring.

    A frozen trunk's features are not among them: they are computed once for all trials.
    """
    measuring = len(data.validation) * probe.embed_seconds + probe.score_seconds
    measured = math.ceil(config.epochs / config.evaluate_every)
    return _steps(config, data) * probe.step_seconds + measured * measuring


def _steps(config: TrialConfig, data: "SplitDataset") -> int:
    """Return the number of steps of a trial."""
    return config.steps or config.epochs * max(1, len(data.train) // config.batch_size)


def _feature_seconds(config: TrialConfig, data: "SplitDataset", probe: "TrialProbe") -> float:
    """Return the seconds that a frozen trunk's features take, once."""
    images = len(data.train) * config.views + len(data.validation)
    return images * probe.feature_seconds


def _trial_facts(
    config: TrialConfig, data: "SplitDataset | None", probe: "TrialProbe | None"
) -> dict[str, Any]:
    facts: dict[str, Any] = {"loss": config.loss, "epochs": config.epochs}
    if data is not None or config.steps is not None:
        facts["steps"] = config.steps if data is None else _steps(config, data)
    if config.evaluate_every > 1:
        facts["evaluate_every"] = config.evaluate_every
    if probe is not None:
        facts["step_seconds"] = probe.step_seconds
        if data is not None and config.trunk == "frozen":
            facts["features_once_seconds"] = _feature_seconds(config, data, probe)
    return facts | {"model": _model_facts(config, probe), "batch": _batch_facts(config)}


def _model_facts(config: TrialConfig, probe: "TrialProbe | None") -> dict[str, Any]:
    facts: dict[str, Any] = {"backbone": config.backbone, "trunk": config.trunk}
    facts |= {"weights": _weights(config), "embedding_dim": config.embedding_dim}
    return facts if probe is None else facts | {"parameters": probe.parameters}


def _batch_facts(config: TrialConfig) -> dict[str, Any]:
    facts: dict[str, Any] = {"images": config.batch_size}
    facts["classes"] = config.batch_size // config.samples_per_class
    if config.micro_batch_size is not None and config.micro_batch_size < config.batch_size:
        facts["micro_batch_size"] = config.micro_batch_size
    facts["augmentation"] = config.augmentation
    return facts if config.views == 1 else facts | {"views": config.views}


def _weights(config: TrialConfig) -> str:
    if config.weights is not None:
        return str(config.weights)
    return "pretrained" if config.pretrained else "random"


def _data_facts(section: DataConfig, data: "SplitDataset | None", cache: Path) -> dict[str, Any]:
    if data is None:
        alike = {"split"} if section.split == SplitConfig() else None
        facts = section.model_dump(mode="json", exclude_defaults=True, exclude=alike)
        return facts | {"image_size": section.size}
    facts = data_facts(data)
    del facts["train_classes"]
    splits = {
        split: {"images": len(data.indices(split)), "classes": data.class_count(split)}
        for split in ("train", "validation", "test")
    }
    shape = {"image_size": data.dataset.image_size, "channels": data.dataset.images.channels}
    return facts | shape | _size_facts(section, data, cache) | splits


def _size_facts(section: DataConfig, data: "SplitDataset", folder: Path) -> dict[str, Any]:
    """Say what the pixels take; those of files are counted as squares, for none has been opened."""
    images = data.dataset.images
    pixels = images.channels * int(images.shapes.prod(1).sum())
    if section.source is None:
        return {"decoded_bytes": pixels}
    cache: dict[str, Any] = {"folder": str(folder), "short_side": section.short_side}
    if pixels > section.raw_limit_gb * _GIGABYTE:
        cache |= {"format": "JPEG", "about_bytes": pixels // _JPEG_SHARE}
    else:
        cache |= {"format": "raw", "at_least_bytes": pixels}
    return {"cache": cache | {"free_bytes": _free(folder)}}


def _free(folder: Path) -> int:
    """Return the bytes free where a folder is, or would be made."""
    absolute = folder.absolute()
    there = next(path for path in (absolute, *absolute.parents) if path.exists())
    return disk_usage(there).free
