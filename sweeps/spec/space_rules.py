"""Rules that a search space keeps to, whatever a spec samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.spec.controls import ControlRule

__all__ = ["SpaceRules"]


def _no_check(_values: Callable[[str], Sequence[Any]]) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, kw_only=True)
class SpaceRules:
    """Rules of a workload's search spaces.

    Attributes:
        ordered: Pairs (lower, upper) of numeric fields; the first is always less than the second.
        control: What a control is; None where there is none.
        check: Given a function from a field's name to all values that the space gives it, raises
            an InputError where they do not go together.
    """

    ordered: tuple[tuple[str, str], ...] = ()
    control: ControlRule | None = None
    check: Callable[[Callable[[str], Sequence[Any]]], None] = _no_check
