"""What the store holds, as plain frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["MeasurementRecord", "SweepRecord", "SweepState", "TrialRecord", "TrialState"]


class SweepState(StrEnum):
    """Where a sweep stands."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INTERRUPTED = "INTERRUPTED"
    FAILED = "FAILED"


class TrialState(StrEnum):
    """Where a trial stands; only a COMPLETE one can stand on a front."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"


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
    """

    name: str
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]
    state: SweepState
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One sampled configuration.

    Attributes:
        number: Counts from 0 within the sweep, in the order of the suggestions.
        config: The trial's configuration as plain JSON data, defaults filled in.
        sampled: The names and values that the search space chose, a part of ``config``.
        control: Whether this is a control (the same loss with TCM weight 0).
        state: Where it stands.
        reason: Why it FAILED, or was PRUNED.
        started_at: When it was suggested, UTC.
        finished_at: When it left RUNNING, UTC.
    """

    number: int
    config: Mapping[str, Any]
    sampled: Mapping[str, Any]
    control: bool
    state: TrialState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class MeasurementRecord:
    """What a trial scored at one rung, seed and split.

    Attributes:
        number: The trial's number.
        epoch: The rung, counted from 1.
        seed: Seed of the training run.
        split: ``validation`` or ``test``.
        metrics: Metric names and finite values.
        recorded_at: When it reached the driver, UTC.
    """

    number: int
    epoch: int
    seed: int
    split: str
    metrics: Mapping[str, float]
    recorded_at: datetime
