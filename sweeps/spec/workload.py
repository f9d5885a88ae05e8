"""The workload: all that `sweeps` knows of a kind of trial."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel

from objectives import Objective
from sweeps.spec.baselines import Baseline
from sweeps.spec.cache import Cache
from sweeps.spec.data import Data
from sweeps.spec.forecast import Forecast
from sweeps.spec.memory import MemoryDemand
from sweeps.spec.parameters import Choices, Range
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace
from sweeps.spec.space_rules import SpaceRules
from trainer import Measurement, Split

__all__ = [
    "KeepableRun",
    "KeptRun",
    "LongRun",
    "PickedTrial",
    "Recipe",
    "Reference",
    "Run",
    "Workload",
]


# From a spec's data section as its model has it, its fixed fields and its sampled ones, to fields
# of a configuration, as plain JSON data. May raise an InputError.
Recipe: TypeAlias = Callable[
    [Any, Mapping[str, Any], Mapping[str, Choices | Range]], Mapping[str, Any]
]


class Run(Protocol):
    """A training run of one configuration under one seed."""

    def advance(self) -> Measurement:
        """Train to the next rung, and measure there on the validation split.

        Raises:
            trainer.TrialFailed: The run cannot be scored; the sweep records why and goes on.
        """

    def state_dict(self) -> Mapping[str, Any]:
        """Return all that the rest of the run depends on."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from what `state_dict` returned for the same configuration and data."""


@runtime_checkable
class LongRun(Run, Protocol):
    """A run that trains for long from one rung to the next.

    Attributes:
        between_steps: Set by who has the run carried out, and called by it wherever its state can
            be taken, such as before each step.
    """

    between_steps: Callable[[], None]


@runtime_checkable
class KeepableRun(Run, Protocol):
    """A run whose model can be kept."""

    def keep(self, path: Path) -> None:
        """Write what was trained and measured to a file."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Reference of a picked trial: alike in all but what is judged, under the same seeds.

    Attributes:
        number: Its number.
        seeds: That both were trained under, and that chose neither.
        split: Whose classes both were scored on.
        metrics: What it scored, means over the seeds.
        tuned: What the picked trial scored, means over the seeds.
        difference: By metric, the picked trial's mean less its own, and the ends of the 95 %
            interval of that; ends of None where nothing tells how noisy it is.
    """

    number: int
    seeds: tuple[int, ...]
    split: Split
    metrics: Mapping[str, float]
    tuned: Mapping[str, float]
    difference: Mapping[str, tuple[float, float | None, float | None]]


@dataclass(frozen=True, kw_only=True)
class KeptRun:
    """Run whose weights were kept.

    Attributes:
        file: Name of their file.
        seed: Of the run.
        split: Whose classes it was scored on.
        metrics: What it scored.
    """

    file: str
    seed: int
    split: Split
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class PickedTrial:
    """A trial that was chosen from a front, with all that is known of it.

    Attributes:
        sweep: Name of the sweep.
        number: Its number.
        pick: Why this trial.
        config: Its configuration, as plain JSON data.
        metrics: What it scored.
        split: Whose classes it was scored on.
        epoch: The rung at which it was.
        seeds: Seeds of the training runs that were averaged.
        intervals: Of the objectives the 95 % intervals of the estimates; none where noise is
            unknown.
        references: Under ``control`` and ``default``, what it is held against; none that has no
            fresh seed in common with it.
        confirmed: The same on the test classes, where it was confirmed.
        kept: The run of it whose weights were kept; None where none were.
        unproven: Why it should not be exported, where it is all the same; else None.
        spec: The sweep's spec, as plain JSON data.
        provenance: Of the sweep, and where the trial stands in it.
    """

    sweep: str
    number: int
    pick: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    split: Split
    epoch: int
    seeds: tuple[int, ...]
    intervals: Mapping[str, tuple[float, float]]
    references: Mapping[str, Reference]
    confirmed: Mapping[str, Reference]
    kept: KeptRun | None
    unproven: str | None
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]


def _no_data(_section: Any, _cache: Cache) -> Data:
    return Data()


def _no_preparation(_resources: Resources) -> None:
    """Prepare nothing."""


def _nothing_held() -> int:
    return 0


def _any_space(_space: SearchSpace, _data: Data) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A kind of trial: what it is configured by, how it is run, what it is worth, what it leaves.

    Attributes:
        config: Model of a configuration, every field with a default. It has a field ``seed``.
        objectives: What a trial can be judged by, by name.
        default_objectives: Names of the two where a spec names none; the first two if empty.
        last_epoch: Maps a configuration to the rung at which its training ends, counted from 1.
        start: Begins a training run, in the process of a trial, from a configuration, the data,
            the ``scoring`` section, and what the trial holds. May raise ``trainer.TrialFailed``. Of
            what a sweep chose, and its references, one `KeepableRun` each is kept that its
            ``budget.reports`` have trained.
        confirm: Begins a run that `Run.advance` ends at once, at the last epoch, from what `start`
            takes: trained on all classes but those of the test split, it measures these. None where
            nothing can be confirmed.
        prepare: Called once in each process of trials, before anything else.
        data: Model of the spec's ``data`` section; None where there is none.
        open_data: Opens what that section describes, and may keep what it decodes in the cache;
            called on the driver, and once in each process of trials.
        scoring: Model, or dataclass, of the spec's ``scoring`` section, every field with a
            default; None where there is none.
        rules: What the space has to keep to; see `SpaceRules`.
        recipes: By name, what fills in the fields that a spec with that ``recipe`` does not name.
            Given fields that it has filled in itself, it must say the same again.
        check: Raises an InputError where the data do not suit the space, before a sweep starts.
        baselines: What is scored once before the trials, without training, by name.
        plan: Says what can be said of the trials before any is trained, from the space, the
            ``data`` section, where decoded data would lie, and what a trial holds; it writes
            nothing. None where that is nothing.
        memory: Foresees what the most demanding trial of a space takes of a GPU, from the space,
            the data, and what a trial holds; called once, in a process like a trial's that has a
            whole GPU to itself, where a spec says ``resources.gpu: auto``. None where it cannot.
        release: Called in the process of trials at the end of each, when nothing refers to its run
            any more: gives back what the run took, and returns the bytes that the process still
            holds on its GPU. Where that grows from trial to trial, the process is replaced.
        export: Makes the file that ``sweeps export`` writes; None where there is none.
    """

    config: type[BaseModel]
    objectives: Mapping[str, Objective]
    last_epoch: Callable[[Any], int]
    start: Callable[[Any, Data, Any, Resources], Run]
    confirm: Callable[[Any, Data, Any, Resources], KeepableRun] | None = None
    prepare: Callable[[Resources], None] = _no_preparation
    data: type[Any] | None = None
    open_data: Callable[[Any, Cache], Data] = _no_data
    scoring: type[Any] | None = None
    default_objectives: tuple[str, ...] = ()
    rules: SpaceRules = field(default_factory=SpaceRules)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    check: Callable[[SearchSpace, Data], None] = _any_space
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    plan: Callable[[SearchSpace, Any, Cache, Resources], Forecast] | None = None
    memory: Callable[[SearchSpace, Data, Resources], MemoryDemand] | None = None
    release: Callable[[], int] = _nothing_held
    export: Callable[[PickedTrial], BaseModel] | None = None

    def __post_init__(self) -> None:
        fields = self.config.model_fields
        if missing := [name for name, each in fields.items() if each.is_required()]:
            raise ValueError(f"every field of a configuration needs a default; {missing} has none")
        if "seed" not in fields:
            raise ValueError("a configuration needs a field 'seed'")
        if unknown := self.rules.fields - fields.keys():
            raise ValueError(f"the rules name {sorted(unknown)}, which a configuration lacks")
        named = {name for each in self.baselines.values() for name in each.fields}
        if lacking := sorted(named - fields.keys()):
            raise ValueError(f"the baselines name {lacking}, which a configuration lacks")
        self._check_objectives()

    def _check_objectives(self) -> None:
        if len(self.objectives) < 2:
            raise ValueError("a workload needs two objectives or more")
        for name, each in self.objectives.items():
            if name != each.name:
                raise ValueError(f"the objective {each.name!r} stands under {name!r}")
            if not (math.isfinite(each.ideal) and math.isfinite(each.reference)):
                raise ValueError(f"the objective {name!r} needs a finite ideal and reference")
        if self.default_objectives and not (
            len({*self.default_objectives} & self.objectives.keys())
            == 2
            == len(self.default_objectives)
        ):
            raise ValueError(f"default_objectives must be two of {', '.join(self.objectives)}")

    @property
    def objective_pair(self) -> tuple[str, str]:
        """Names of the two objectives of a spec that names none."""
        first, second = self.default_objectives or tuple(self.objectives)[:2]
        return first, second
