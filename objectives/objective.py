"""Objectives that a trial is judged by: names, directions and reference values of metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from objectives.errors import InputError

__all__ = [
    "DEFAULT_OBJECTIVES",
    "OBJECTIVES",
    "Direction",
    "Objective",
    "Scale",
    "get_objective",
    "objective_pair",
]

Direction = Literal["maximize", "minimize"]
Scale = Literal["linear", "log", "logit"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One metric as an objective of a search.

    Attributes:
        name: Key of the metric in a measurement, such as ``recall_at_1``.
        direction: Whether more or less of it is better.
        label: How plots and tables call it.
        aspect: What a user who wants the best of it asks for, such as ``recall``.
        ideal: The best value it can take.
        reference: Its part of the hypervolume's reference point: a value as bad or worse dominates
            no area. By default the worst value it can take (OPIS with the pooled mean can exceed
            it).
        scale: On which a seed adds about the same noise to good and to bad values: ``logit`` for
            shares, ``log`` for positive values.
        tolerance: How much worse than the best control a trial may be in it that is picked, where
            nothing tells how noisy the control is; None: as much as it likes, in any case.
    """

    name: str
    direction: Direction
    label: str
    aspect: str
    ideal: float
    reference: float
    scale: Scale = "linear"
    tolerance: float | None = None

    @property
    def sign(self) -> float:
        """+1 where less is better, -1 where more is: ``sign * value`` is to be minimised."""
        return 1.0 if self.direction == "minimize" else -1.0


# A utility lies in [0, 1], so its variance over classes is at most 1/4 and the squared gap
# between two groups of classes at most 1.
_RECORDS: Final = (
    Objective(
        name="recall_at_1",
        direction="maximize",
        label="Recall@1",
        aspect="recall",
        ideal=1.0,
        reference=0.0,
        scale="logit",
        tolerance=0.005,
    ),
    Objective(
        name="map_at_r",
        direction="maximize",
        label="MAP@R",
        aspect="map",
        ideal=1.0,
        reference=0.0,
        scale="logit",
        tolerance=0.005,
    ),
    Objective(
        name="opis",
        direction="minimize",
        label="OPIS",
        aspect="consistency",
        ideal=0.0,
        reference=0.25,
        scale="log",
    ),
    Objective(
        name="opis_10",
        direction="minimize",
        label="10%-OPIS",
        aspect="worst-classes",
        ideal=0.0,
        reference=1.0,
        scale="log",
    ),
)
OBJECTIVES: Final[Mapping[str, Objective]] = MappingProxyType({r.name: r for r in _RECORDS})
DEFAULT_OBJECTIVES: Final = ("recall_at_1", "opis")


def get_objective(name: str, *, among: Mapping[str, Objective] = OBJECTIVES) -> Objective:
    """Return the objective of that name.

    Args:
        name: Key of a metric.
        among: The objectives there are, by name.

    Raises:
        InputError: There is none of that name; the message lists those there are.
    """
    try:
        return among[name]
    except KeyError:
        known = ", ".join(among)
        raise InputError(f"{name!r} is not one of {known}", field="objectives") from None


def objective_pair(
    names: Sequence[str],
    reference: Mapping[str, float],
    *,
    among: Mapping[str, Objective] = OBJECTIVES,
) -> tuple[Objective, Objective]:
    """Return two objectives by name.

    Args:
        names: Keys of two metrics.
        reference: By name, other reference values than the objectives' own.
        among: The objectives there are, by name.

    Raises:
        InputError: There is none of a name.
    """
    first, second = (get_objective(name, among=among) for name in names)
    return (
        replace(first, reference=reference.get(first.name, first.reference)),
        replace(second, reference=reference.get(second.name, second.reference)),
    )
