"""Parameters of a search space: the choices or the range of one sampled field."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Protocol

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from trainer import StrictModel

__all__ = ["Choices", "Parameter", "Range", "Scalar", "Suggest"]

Scalar = bool | int | float | str
_Finite = Annotated[float, Field(allow_inf_nan=False)]
# Of a range: what floats, and the samplers, can still tell apart.
_MOST_STEPS: Final = 10**9


class Suggest(Protocol):
    """Picker of a value for a named parameter; an ``optuna.Trial`` is one."""

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Any:
        """Pick one of the choices."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Pick an integer from low to high, both included."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Pick a number from low to high, both included."""


class _Conditional(StrictModel):
    """Condition that choices and ranges share.

    Attributes:
        when: The parameter is sampled only where each of these categorical parameters has one of
            these values; elsewhere the trial keeps the fixed or the default value.
    """

    when: Mapping[str, tuple[Scalar, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _one_value_is_a_list(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("when"), dict):
            when = {k: v if isinstance(v, list | tuple) else [v] for k, v in raw["when"].items()}
            return raw | {"when": when}
        return raw


class Choices(_Conditional):
    """A categorical parameter: a YAML list, or ``{choices: [...], when: {...}}``."""

    choices: tuple[Scalar, ...]

    @model_validator(mode="after")
    def _distinct(self) -> "Choices":
        if not self.choices or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"choices {list(self.choices)} must be one or more, and distinct")
        return self

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Every value."""
        return self.choices


class Range(_Conditional):
    """A numeric parameter: ``{low: .., high: .., log: .., step: .., when: {...}}``.

    Both ends are included. Whether it is of integers or of floats is the trial field's own type.
    """

    low: _Finite
    high: _Finite
    log: bool = False
    step: _Finite | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError(f"a log range takes no step (here {self.step:g})")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"low ({self.low:g}) and high ({self.high:g}) are too far apart")
        if self.step is not None:
            count = (self.high - self.low) / self.step if self.step > 0 else 0.5
            if not 1 <= count <= _MOST_STEPS or abs(count - round(count)) > 1e-9:
                raise ValueError(
                    f"step ({self.step:g}) must be positive and lead from low ({self.low:g}) to "
                    f"high ({self.high:g})"
                )
        return self

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)


def _kind(raw: Any) -> str:
    ranged = isinstance(raw, Range) or (isinstance(raw, dict) and "choices" not in raw)
    return "range" if ranged else "choices"


def _list_is_choices(raw: Any) -> Any:
    if isinstance(raw, Scalar):
        raise ValueError(f"{raw!r} is a single value; what is fixed belongs under 'trial'")
    return {"choices": raw} if isinstance(raw, list) else raw


Parameter = Annotated[
    Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")],
    Discriminator(_kind),
    BeforeValidator(_list_is_choices),
]
