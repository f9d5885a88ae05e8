"""Forecast of a sweep's trials: what a workload can say of them before any is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Forecast"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecast of a sweep's trials.

    Attributes:
        trial: Facts of a trial at the centre of the space, as plain JSON data.
        data: Facts of the data, as plain JSON data.
        gpus: Number of GPUs of this machine.
        seconds: That such a trial takes here; None where that is not known.
        once: Seconds that are spent once for all trials, whichever comes first.
        memory: Bytes that it takes on its device; None where that is not known.
        unknown: Why either is not known; empty where both are.
        missing: What is missing of the data, in a sentence; None where nothing is.
    """

    trial: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    gpus: int = 0
    seconds: float | None = None
    once: float = 0.0
    memory: int | None = None
    unknown: str = ""
    missing: str | None = None
