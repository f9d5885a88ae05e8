"""Budget and resources: how much is tried, and what each trial holds."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter, field_validator, model_validator

from objectives import InputError
from trainer import StrictModel

__all__ = ["Budget", "Resources", "Seeds"]

# How many seeds each configuration is trained under.
Seeds: TypeAlias = Annotated[int, Field(ge=1)] | Literal["auto"]

_Gpus: Final[TypeAdapter[float]] = TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)])


class Budget(StrictModel):
    """Number of trials, and how many of them at a time.

    Attributes:
        trials: Sampled trials, the paper's default and the centre of the space for each control
            among them; the controls come on top.
        replicates: With ``seeds: auto``, training runs under further seeds, which go where they
            tell most about the front; as many as there are trials if None.
        reports: With ``seeds: auto``, training runs at most under fresh seeds, when the search is
            over: of the picks, and then the other members of the front, each with its control and
            the paper's default.
        max_concurrent: Most trials at a time; as many as the resources allow if None.
    """

    trials: Annotated[int, Field(ge=1)]
    replicates: Annotated[int, Field(ge=0)] | None = None
    reports: Annotated[int, Field(ge=0)] = 18
    max_concurrent: Annotated[int, Field(ge=1)] | None = None


class Resources(StrictModel):
    """Share of a machine that one trial holds.

    Attributes:
        cpu: CPUs; a trial of metric learning computes with as many threads.
        gpu: GPUs, fractions allowed; with 0 the trial trains on the CPU. ``auto``: as large a part
            of one as the most demanding trial needs, which a probe finds out before the sweep.
    """

    cpu: Annotated[int, Field(ge=1)] = 1
    gpu: float | Literal["auto"] = 0.0

    # By hand: what is wrong with one of two types, pydantic says once for each of them.
    @field_validator("gpu", mode="plain")
    @classmethod
    def _number_or_auto(cls, value: Any) -> Any:
        return value if value == "auto" else _Gpus.validate_python(value)

    @model_validator(mode="after")
    def _whole_above_one(self) -> "Resources":
        if self.gpu_share > 1 and self.gpu_share % 1:
            raise InputError(f"gpu ({self.gpu:g}) must be a whole number where it exceeds 1")
        return self

    @property
    def gpu_share(self) -> float:
        """GPUs of a trial; one where that is still to be found out."""
        return 1.0 if self.gpu == "auto" else self.gpu

    def fit(self, *, cpus: float, gpus: float) -> int:
        """Return how many trials a machine of so many CPUs and GPUs has room for."""
        of_cpus, share = int(cpus // self.cpu), self.gpu_share
        if not share:
            return of_cpus
        # A trial's part of a GPU is a part of one.
        of_gpus = int(gpus) * int(1 / share) if share < 1 else int(gpus / share)
        return min(of_cpus, of_gpus)
