"""Controls and defaults: configurations that those of a search space are held against."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from sweeps.spec.parameters import Scalar

__all__ = ["Centre", "ControlRule", "Opening"]


@dataclass(frozen=True, kw_only=True)
class ControlRule:
    """Definition of a control: a configuration with what is being judged switched off.

    Attributes:
        off: The fields that switch it off, with their values.
        without: Other fields that then mean nothing.
        each: The field of which every value has a control of its own; None: there is one control.
        label: What people call it, such as "TCM weight 0".
        default: What is judged at its published values, for who would not tune it; empty: there
            are none.
        default_label: What people call that, such as "the paper's default".
    """

    off: Mapping[str, Scalar]
    without: frozenset[str] = frozenset()
    each: str | None = None
    label: str = ""
    default: Mapping[str, Scalar] = field(default_factory=dict)
    default_label: str = ""

    @property
    def left_out(self) -> frozenset[str]:
        """Every field that is not sampled in a control, nor compared with one."""
        return self.without | self.off.keys()

    @property
    def judged(self) -> frozenset[str]:
        """Every field of what is being judged."""
        return self.left_out | self.default.keys()

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Whether a configuration, as plain data, is a control."""
        return all(config[name] == value for name, value in self.off.items())

    def is_default(self, config: Mapping[str, Any]) -> bool:
        """Whether what is judged has its published values in a configuration."""
        same = (config[name] == value for name, value in self.default.items())
        return bool(self.default) and all(same)

    def references(self, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return what a configuration is held against: alike in all that is not judged.

        Returns:
            Under ``control`` and, where there is one, ``default``, configurations as plain data;
            none that is the configuration itself.
        """
        found = {"control": self.off, "default": self.default}
        return {
            role: {**config, **values}
            for role, values in found.items()
            if values and self.key({**config, **values}) != self.key(config)
        }

    def key(self, config: Mapping[str, Any]) -> str:
        """Return what tells a configuration from others that train otherwise, under equal seeds."""
        nothing = {"seed"} | (self.left_out if self.holds(config) else frozenset())
        told = {name: _number(value) for name, value in config.items() if name not in nothing}
        return json.dumps(told, sort_keys=True, default=str)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """First suggestion of a sweep, which comes from no sampler.

    Attributes:
        role: ``control``; ``default``, what is judged at its published values; or ``centre``, at
            the middle of its ranges. All else is alike in the three.
        sampled: The fields that the space samples, with their values.
        config: The whole configuration.
        drawn: What a sampler would have drawn for it, by name; None where no sampler could.
    """

    role: Literal["control", "default", "centre"]
    sampled: Mapping[str, Scalar]
    config: BaseModel
    drawn: Mapping[str, Scalar] | None = None


class Centre:
    """Picker of the default value where there is room for it, and of the middle elsewhere.

    Args:
        defaults: Values by name; of what is not named the middle is picked, or the first choice.

    Attributes:
        picked: What was picked, by name.
    """

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = defaults
        self.picked: dict[str, Scalar] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        """Pick the default, or else the first."""
        default: Any = self._defaults.get(name)
        self.picked[name] = default if default in choices else choices[0]
        return self.picked[name]

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Pick the nearest on the steps to the default, or else to the middle."""
        middle = self.suggest_float(name, low, high, log=log)
        value = low + round((middle - low) / step) * step
        self.picked[name] = value
        return value

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Pick the nearest on the steps to the default, or else to the middle."""
        middle = math.sqrt(low * high) if log else (low + high) / 2
        value = self._defaults.get(name, middle)
        value = value if low <= value <= high else middle
        value = float(value if step is None else low + round((value - low) / step) * step)
        self.picked[name] = value
        return value


def _number(value: object) -> object:
    """Return a whole number as JSON has one that is not; beyond a float's reach as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value
