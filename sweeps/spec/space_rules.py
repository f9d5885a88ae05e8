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
            No field may stand in two pairs.
        control: What a control is; None where there is none.
        check: Given a function from a field's name to all values that the space gives it, raises
            an InputError where they do not go together.
        together: Fields of choices that the model of a configuration checks together: of their
            combinations that a space has, it must take every one.
    """

    ordered: tuple[tuple[str, str], ...] = ()
    control: ControlRule | None = None
    check: Callable[[Callable[[str], Sequence[Any]]], None] = _no_check
    together: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = [name for pair in self.ordered for name in pair]
        if len({*named}) < len(named):
            raise ValueError(f"ordered: a field stands in two pairs ({', '.join(named)})")

    @property
    def fields(self) -> frozenset[str]:
        """Every field that a rule names."""
        ordered = {name for pair in self.ordered for name in pair}
        if self.control is None:
            return frozenset(ordered).union(self.together)
        each = {self.control.each} if self.control.each else set()
        return self.control.judged | ordered | each | {*self.together}
