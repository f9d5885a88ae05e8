"""Records of the store: sweeps, baselines, trials and measurements, plain and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from objectives import Objective, objective_pair
from trainer import Split

__all__ = [
    "AttemptRecord",
    "BaselineRecord",
    "MeasurementRecord",
    "Outbox",
    "Purpose",
    "ReplicateRecord",
    "SweepRecord",
    "SweepState",
    "TrialRecord",
    "TrialState",
]


class SweepState(StrEnum):
    """State of a sweep."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PAUSED = "PAUSED"
    """Stopped before its end, by a person or a cluster; it can be resumed."""
    FAILED = "FAILED"
    """Stopped before its end by an error; it can be resumed."""


class TrialState(StrEnum):
    """State of a trial, which is that of its first run, of each of its runs, and of an attempt.

    Only a COMPLETE trial can stand on a front.
    """

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    """Ended by its own doing: it would end so again."""
    LOST = "LOST"
    """Ended by no doing of its own, such as with its machine: it is to be run again."""


class Purpose(StrEnum):
    """Purpose of a replicate: what its measurements may decide."""

    SEARCH = "SEARCH"
    """They choose between configurations, and so are too good where they chose."""
    REPORT = "REPORT"
    """They only report on what was chosen without them."""
    CONFIRM = "CONFIRM"
    """They confirm on the test classes what was chosen, having trained on all others."""


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """A spec being carried out.

    Attributes:
        name: Unique name of the sweep.
        spec: The spec as plain JSON data, defaults filled in.
        provenance: Data fingerprint, library versions and the like, as plain JSON data.
        state: Where it stands.
        created_at: When it was created, UTC.
        finished_at: When it left RUNNING, UTC.
        recorded_objectives: Its two objectives; None in a sweep of the first schema.
        driver: The process that carries it out; None where none does.
        seen_at: When that last said so, UTC.
        archived_at: When it was archived, UTC; None where it is not.
    """

    name: str
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]
    state: SweepState
    created_at: datetime
    finished_at: datetime | None
    recorded_objectives: tuple[Objective, Objective] | None = None
    driver: str | None = None
    seen_at: datetime | None = None
    archived_at: datetime | None = None

    @property
    def objectives(self) -> tuple[Objective, Objective]:
        """The two objectives, first the one on the x-axis."""
        if self.recorded_objectives is not None:
            return self.recorded_objectives
        return objective_pair(self.spec["objectives"], self.spec.get("reference", {}))


@dataclass(frozen=True, kw_only=True)
class BaselineRecord:
    """Score of doing without training, which a trained trial has to beat.

    Attributes:
        number: Counts from 0 within the sweep.
        split: ``validation`` or ``test``.
        name: Its key, unique within the sweep, such as ``raw_pixels``.
        label: What people call it.
        fields: The fields of a configuration that it depends on, with their values.
        metrics: Metric names and finite values; None where it failed.
        reason: Why it failed.
        recorded_at: When it reached the driver, UTC.
    """

    number: int
    split: Split
    name: str
    label: str
    fields: Mapping[str, Any]
    metrics: Mapping[str, float] | None
    reason: str | None
    recorded_at: datetime


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One sampled configuration.

    Attributes:
        number: Counts from 0 within the sweep, in the order of the suggestions.
        config: The trial's configuration as plain JSON data, defaults filled in.
        sampled: The names and values that the search space chose, a part of ``config``.
        control: Whether this is a control, with what is judged switched off.
        state: Where it stands.
        reason: Why it FAILED, or was PRUNED.
        started_at: When it was suggested, UTC.
        finished_at: When it left RUNNING, UTC.
        last_epoch: The rung at which its training ends; None where that is not known.
        drawn: What the sampler drew for it, as plain JSON data; None where it drew nothing.
    """

    number: int
    config: Mapping[str, Any]
    sampled: Mapping[str, Any]
    control: bool
    state: TrialState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    last_epoch: int | None = None
    drawn: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReplicateRecord:
    """Training run of a trial under one seed.

    Attributes:
        number: The trial's number.
        seed: Of the run.
        purpose: What its measurements may decide.
        state: Where it stands.
        reason: Why it FAILED, or was PRUNED.
        started_at: When it started, UTC.
        finished_at: When it left RUNNING, UTC.
    """

    number: int
    seed: int
    purpose: Purpose
    state: TrialState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One attempt at a replicate: all but its last are LOST.

    Attributes:
        number: The trial's number.
        seed: Of the run.
        attempt: Counts from 0 within the replicate.
        state: Where it stands.
        kind: Kind of failure, such as ``out of memory``; None where it did not fail.
        reason: Why it FAILED, was PRUNED or LOST, in one line.
        traceback: The stack of an error in the workload's code.
        node: The machine that it ran on, where that is known.
        started_at: When it started, UTC.
        finished_at: When it left RUNNING, UTC.
    """

    number: int
    seed: int
    attempt: int
    state: TrialState
    kind: str | None
    reason: str | None
    traceback: str | None
    node: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class MeasurementRecord:
    """Metrics of a trial at one rung, seed and split.

    Attributes:
        number: The trial's number.
        epoch: The rung, counted from 1.
        seed: Seed of the training run.
        split: ``validation`` or ``test``.
        metrics: Metric names and finite values.
        recorded_at: When it reached the driver, UTC.
        purpose: What it may decide: that of its replicate.
    """

    number: int
    epoch: int
    seed: int
    split: Split
    metrics: Mapping[str, float]
    recorded_at: datetime
    purpose: Purpose = Purpose.SEARCH


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """News that MLflow has not been given yet; false when there are none.

    Attributes:
        trials: New trials, and those whose state has changed, by number.
        measurements: New measurements by number, epoch, seed and split. Each one's trial is in
            ``trials`` or has been mirrored before.
        baselines: New baselines, by number and split.
    """

    trials: tuple[TrialRecord, ...]
    measurements: tuple[MeasurementRecord, ...]
    baselines: tuple[BaselineRecord, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.trials or self.measurements or self.baselines)
