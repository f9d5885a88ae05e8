"""Specs: what a user writes of a sweep, and the kinds of trials that it can name."""

from sweeps.spec.baselines import Baseline, PlannedBaseline, planned_baselines
from sweeps.spec.cache import Cache
from sweeps.spec.controls import ControlRule, Opening
from sweeps.spec.data import Data
from sweeps.spec.failures import Failures, is_lost
from sweeps.spec.forecast import Forecast
from sweeps.spec.memory import MemoryDemand
from sweeps.spec.parameters import Choices, Parameter, Range, Scalar, Suggest
from sweeps.spec.resources import Budget, Resources, Seeds
from sweeps.spec.space import SearchSpace
from sweeps.spec.space_rules import SpaceRules
from sweeps.spec.spec import SweepSpec, load_spec, rename, usable_name
from sweeps.spec.workload import (
    KeepableRun,
    KeptRun,
    LongRun,
    PickedTrial,
    Reference,
    Run,
    Workload,
)
from sweeps.spec.workload_names import METRIC_LEARNING, load_workload, workload_of

__all__ = [
    "METRIC_LEARNING",
    "Baseline",
    "Budget",
    "Cache",
    "Choices",
    "ControlRule",
    "Data",
    "Failures",
    "Forecast",
    "KeepableRun",
    "KeptRun",
    "LongRun",
    "MemoryDemand",
    "Opening",
    "Parameter",
    "PickedTrial",
    "PlannedBaseline",
    "Range",
    "Reference",
    "Resources",
    "Run",
    "Scalar",
    "SearchSpace",
    "Seeds",
    "SpaceRules",
    "Suggest",
    "SweepSpec",
    "Workload",
    "is_lost",
    "load_spec",
    "load_workload",
    "planned_baselines",
    "rename",
    "usable_name",
    "workload_of",
]
