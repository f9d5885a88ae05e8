"""Budget and resources: how much is tried, and what each trial holds."""

from typing import Annotated

from pydantic import Field, model_validator

from objectives import InputError
from trainer import StrictModel

__all__ = ["Budget", "Resources"]


class Budget(StrictModel):
    """Number of trials, and how many of them at a time.

    Attributes:
        trials: Sampled trials; the controls come on top.
        max_concurrent: Most trials at a time; as many as the resources allow if None.
    """

    trials: Annotated[int, Field(ge=1)]
    max_concurrent: Annotated[int, Field(ge=1)] | None = None


class Resources(StrictModel):
    """Share of a machine that one trial holds.

    Attributes:
        cpu: CPUs; a trial of metric learning computes with as many threads.
        gpu: GPUs, fractions allowed; with 0 the trial trains on the CPU.
    """

    cpu: Annotated[int, Field(ge=1)] = 1
    gpu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _whole_above_one(self) -> "Resources":
        if self.gpu > 1 and self.gpu % 1:
            raise InputError(f"gpu ({self.gpu:g}) must be a whole number where it exceeds 1")
        return self
