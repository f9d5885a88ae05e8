"""Controls of a search space: configurations at its centre with what is judged switched off."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.spec.parameters import Scalar

__all__ = ["Centre", "ControlRule"]


@dataclass(frozen=True, kw_only=True)
class ControlRule:
    """Definition of a control: a configuration with what is being judged switched off.

    Attributes:
        off: The fields that switch it off, with their values.
        without: Other fields that then mean nothing.
        each: The field of which every value has a control of its own; None: there is one control.
        label: What people call it, such as "TCM weight 0".
    """

    off: Mapping[str, Scalar]
    without: frozenset[str] = frozenset()
    each: str | None = None
    label: str = ""

    @property
    def left_out(self) -> frozenset[str]:
        """Every field that is not sampled in a control, nor compared with one."""
        return self.without | self.off.keys()

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Whether a configuration, as plain data, is a control."""
        return all(config[name] == value for name, value in self.off.items())


class Centre:
    """Picker of the default value where there is room for it, and of the middle elsewhere.

    Args:
        defaults: The value of each field, by name.
    """

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = defaults

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        """Pick the default, or else the first."""
        default: Scalar = self._defaults[name]
        return default if default in choices else choices[0]

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Pick the nearest on the steps to the default, or else to the middle."""
        middle = self.suggest_float(name, low, high, log=log)
        return low + round((middle - low) / step) * step

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Pick the nearest on the steps to the default, or else to the middle."""
        middle = math.sqrt(low * high) if log else (low + high) / 2
        value = self._defaults.get(name, middle)
        value = value if low <= value <= high else middle
        return float(value if step is None else low + round((value - low) / step) * step)
