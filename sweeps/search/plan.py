"""Plan of a sweep: what it would do, found out without doing any of it."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.search.replication import study_of
from sweeps.search.study import Suggestion
from sweeps.spec import Cache, Forecast, Resources, SweepSpec, planned_baselines

__all__ = ["SweepPlan", "plan_sweep"]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """Plan of a sweep.

    Attributes:
        sweep: Its name.
        sampler: Its sampler.
        trials: Number of sampled trials.
        controls: Number of controls, which come on top.
        runs: Number of training runs in all, at most.
        baselines: What people call what is scored without training.
        first: The controls, defaults and centres, and the first trials that the sampler suggests.
        resources: What a trial holds.
        cpus: CPUs of this machine.
        at_once: Trials at a time; None where this machine cannot hold one, or is not where they
            are to run, or where a probe is to find it out.
        forecast: What the workload foresees.
        lacking: What a trial asks for and this machine, where it is to run, has not, in sentences.
    """

    sweep: str
    sampler: str
    trials: int
    controls: int
    runs: int
    baselines: tuple[str, ...]
    first: tuple[Suggestion, ...]
    resources: Resources
    cpus: int
    at_once: int | None
    forecast: Forecast
    lacking: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Duration of all runs, each taken to last as long as that of the forecast."""
        if self.forecast.seconds is None or self.at_once is None:
            return None
        rounds = math.ceil(self.runs / self.at_once)
        return self.forecast.once + rounds * self.forecast.seconds

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "sweep": self.sweep,
            "sampler": self.sampler,
            "trials": self.trials,
            "controls": self.controls,
            "runs": self.runs,
            "baselines": list(self.baselines),
            "first": [
                {"number": s.number, "control": s.control, "sampled": dict(s.sampled)}
                for s in self.first
            ],
            "trial": dict(self.forecast.trial),
            "data": dict(self.forecast.data),
            "missing": self.forecast.missing,
            "seconds_a_trial": self.forecast.seconds,
            "seconds_once": self.forecast.once,
            "seconds": self.seconds,
            "memory_a_trial": self.forecast.memory,
            "unknown": self.forecast.unknown,
            "resources": self.resources.model_dump(),
            "at_once": self.at_once,
            "lacking": list(self.lacking),
            "cpus": self.cpus,
            "gpus": self.forecast.gpus,
        }


def plan_sweep(
    spec: SweepSpec, *, cache: Path, elsewhere: bool = False, suggestions: int = 3
) -> SweepPlan:
    """Find out what a sweep would do: no Ray, no store and no file of decoded data is made.

    Args:
        spec: The sweep.
        cache: Folder of decoded data.
        elsewhere: Whether the trials are to run on a cluster, which is not asked.
        suggestions: How many of the sampler's suggestions to look at.

    Raises:
        InputError: The workload refuses the space, or the data that are there.
    """
    kind, space = spec.kind, spec.search_space()
    controls = len(space.controls())
    forecast = Forecast(unknown="the workload does not say")
    if kind.plan is not None:
        forecast = kind.plan(space, spec.data, Cache(folder=cache), spec.resources)
    cpus = os.cpu_count() or 1
    return SweepPlan(
        sweep=spec.name,
        sampler=spec.sampler,
        trials=spec.budget.trials,
        controls=controls,
        runs=study_of(spec).total,
        baselines=tuple(each.label for each in planned_baselines(kind.baselines, space)),
        first=_first(spec, len(space.openings()) + suggestions),
        resources=spec.resources,
        cpus=cpus,
        at_once=None if elsewhere else _at_once(spec, cpus, forecast.gpus),
        forecast=forecast,
        lacking=() if elsewhere else tuple(_lacking(spec, cpus, forecast.gpus)),
    )


def _lacking(spec: SweepSpec, cpus: int, gpus: int) -> Iterator[str]:
    """Say what a trial would wait for; where a workload has no plan, nobody counted GPUs."""
    held, counted = spec.resources, spec.kind.plan is not None
    for name, asked, there in (("CPU", held.cpu, cpus), ("GPU", held.gpu_share, gpus)):
        if asked > there and (counted or name == "CPU"):
            named = f"{asked:g} {name}{'s' * (asked != 1)}"
            yield f"a trial asks for {named}, and this machine has {there or 'none'}"


def _first(spec: SweepSpec, count: int) -> tuple[Suggestion, ...]:
    study = study_of(spec)
    asked = (study.ask() for _ in range(count))
    return tuple(suggestion for suggestion in asked if suggestion is not None)


def _at_once(spec: SweepSpec, cpus: int, gpus: int) -> int | None:
    held = spec.resources
    if held.gpu == "auto":
        return None
    total = study_of(spec).configurations
    return min(held.fit(cpus=cpus, gpus=gpus), spec.budget.max_concurrent or total, total) or None
