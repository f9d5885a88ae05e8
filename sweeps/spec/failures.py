"""Policy for runs that do not complete: what is run again, and when a sweep stops."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, field_validator

from trainer import StrictModel

__all__ = ["FailureKind", "Failures", "is_lost"]

# How a run may end: by its own doing, and by that of the machine.
FailureKind: TypeAlias = Literal[
    "not_scored", "out_of_memory", "time_limit", "error", "lost", "data"
]
_OF_THE_MACHINE: Final[Mapping[FailureKind, int]] = MappingProxyType({"lost": 2, "data": 100})

_Count: TypeAlias = Annotated[int, Field(ge=0)]


class Failures(StrictModel):
    """Policy of a sweep for runs that do not complete.

    Attributes:
        retries: How often a run that ended so is run again, at no cost to the budget, before it has
            FAILED: ``not_scored`` (a loss or embeddings that are not finite, or collapsed),
            ``out_of_memory`` (with the smallest micro-batches), ``time_limit``, ``error`` (raised
            by the code of a workload or a model), ``lost`` (its process or its node died) and
            ``data`` (its machine cannot read the data). Where nothing is said, ``lost`` is run
            again twice, ``data`` a hundred times, for another machine may read them, and the others
            never.
        losses_in_a_row: So many failures of the machine, for the same reason and without a
            measurement in between, stop the sweep.
        time_limit: Seconds that a run may take in one go; None: as many as it takes. Looked at
            between steps; the process of a run that after twice as long and an hour has not ended
            is, which is ``lost``.
    """

    retries: dict[FailureKind, _Count] = Field(default_factory=dict, validate_default=True)
    losses_in_a_row: Annotated[int, Field(ge=1)] = 5
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("retries", mode="after")
    @classmethod
    def _with_defaults(cls, given: dict[FailureKind, int]) -> dict[FailureKind, int]:
        return {**_OF_THE_MACHINE, **given}

    def tolerated(self, kind: str) -> int:
        """Return how many failures of that kind a run may have before it has FAILED."""
        return {str(known): count for known, count in self.retries.items()}.get(kind, 0)


def is_lost(kind: str) -> bool:
    """Whether failures of that kind are the machine's doing."""
    return kind in _OF_THE_MACHINE
