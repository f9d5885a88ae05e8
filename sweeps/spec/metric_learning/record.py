"""Record of metric learning as a workload: trials of `trainer`, scored by `objectives`."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from pydantic import BaseModel

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, Calibration
from sweeps.spec.baselines import Baseline
from sweeps.spec.cache import Cache
from sweeps.spec.controls import ControlRule
from sweeps.spec.data import Data
from sweeps.spec.metric_learning.checks import TRUNK_FIELDS, check, check_values, data_facts
from sweeps.spec.metric_learning.memory import device_of, foresee, release
from sweeps.spec.metric_learning.plan import plan
from sweeps.spec.metric_learning.recipes import recipe_fields
from sweeps.spec.resources import Resources
from sweeps.spec.space_rules import SpaceRules
from sweeps.spec.workload import KeepableRun, PickedTrial, Run, Workload
from trainer import (
    ORDERED_FIELDS,
    RECIPES,
    TCM_FIELDS,
    TCM_WEIGHTS,
    DataConfig,
    TrialConfig,
)

__all__ = ["workload"]


def _open(config: DataConfig, cache: Cache) -> Data:
    from trainer import load_data  # imports torch

    data = load_data(config, cache=cache.folder, progress=cache.progress)
    return Data(fingerprint=data.fingerprint, facts=data_facts(data), content=data)


def _prepare(resources: Resources) -> None:
    import torch

    from trainer import keep_freed_memory

    # Ray hands an actor one CPU's worth of work; torch would take every core.
    torch.set_num_threads(resources.cpu)
    keep_freed_memory()


def _start(config: TrialConfig, data: Data, scoring: Calibration, resources: Resources) -> Run:
    from trainer import TrialRun

    return TrialRun(config, data.content, device=device_of(resources), calibration=scoring)


def _confirm(
    config: TrialConfig, data: Data, scoring: Calibration, resources: Resources
) -> KeepableRun:
    from trainer import confirmation_run

    device = device_of(resources)
    return confirmation_run(config, data.content, device=device, calibration=scoring)


def _raw_pixels(
    _config: TrialConfig, data: Data, scoring: Calibration, resources: Resources
) -> Mapping[str, float]:
    from trainer import score_raw_pixels

    return score_raw_pixels(data.content, device=device_of(resources), calibration=scoring)


def _untouched_trunk(
    config: TrialConfig, data: Data, scoring: Calibration, resources: Resources
) -> Mapping[str, float]:
    from trainer import score_untouched_trunk

    device = device_of(resources)
    return score_untouched_trunk(config, data.content, device=device, calibration=scoring)


def _export(trial: PickedTrial) -> BaseModel:
    from sweeps.spec.metric_learning.export import tuned_margins  # imports torch

    return tuned_margins(trial)


_OFF: Final[Mapping[str, float]] = dict.fromkeys(TCM_WEIGHTS, 0.0)
# Zhang et al., ICLR 2024, arXiv 2307.04047.
_PAPERS: Final[Mapping[str, float]] = {
    "margin_positive": 0.9,
    "margin_negative": 0.5,
    **dict.fromkeys(TCM_WEIGHTS, 1.0),
}

workload: Final = Workload(
    config=TrialConfig,
    objectives=OBJECTIVES,
    default_objectives=DEFAULT_OBJECTIVES,
    last_epoch=lambda config: int(config.epochs),
    prepare=_prepare,
    start=_start,
    confirm=_confirm,
    data=DataConfig,
    open_data=_open,
    scoring=Calibration,
    rules=SpaceRules(
        ordered=ORDERED_FIELDS,
        control=ControlRule(
            off=_OFF,
            without=frozenset(TCM_FIELDS),
            each="loss",
            label="TCM weight 0",
            default=_PAPERS,
            default_label="the paper's default",
        ),
        check=check_values,
        together=(*TRUNK_FIELDS, "trunk", "views"),
    ),
    recipes={name: partial(recipe_fields, recipe) for name, recipe in RECIPES.items()},
    check=check,
    baselines={
        "raw_pixels": Baseline(label="raw pixels", score=_raw_pixels),
        "untouched_trunk": Baseline(
            label="untouched trunk", score=_untouched_trunk, fields=TRUNK_FIELDS
        ),
    },
    plan=plan,
    memory=foresee,
    release=release,
    export=_export,
)
