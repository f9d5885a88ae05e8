"""Fields that keep an order, the lower of each pair below the upper, whatever is sampled."""

from collections.abc import Mapping
from typing import Any, Final

from objectives import InputError
from sweeps.spec.parameters import Choices, Range, Scalar

__all__ = ["FieldOrder"]

# Sampled fields keep at least this distance.
_GAP: Final = 0.01
_ROUNDING: Final = 1e-9


class FieldOrder:
    """Pairs of fields of which the first is always less than the second.

    The ranges of a pair are narrowed to what the order leaves, and the lower one comes first in
    `parameters`. Ranges with a step stay as they are: their ends must lie on the steps.

    Args:
        pairs: (lower, upper), by name.
        parameters: The sampled fields, in the order of sampling.
        defaults: The value of each field where it is not sampled.

    Attributes:
        parameters: The sampled fields, narrowed and put in order.

    Raises:
        InputError: A pair cannot keep its order, or ranges that can cross are not plain.
    """

    def __init__(
        self,
        pairs: tuple[tuple[str, str], ...],
        parameters: Mapping[str, Choices | Range],
        defaults: Mapping[str, Any],
    ) -> None:
        self._pairs = pairs
        self._defaults = defaults
        self.parameters = dict(parameters)
        for lower, upper in pairs:
            self._keep(lower, upper)

    def lower(self, name: str) -> str | None:
        """Return the field that a field keeps above, if any."""
        return next((lower for lower, upper in self._pairs if upper == name), None)

    def floor(self, name: str, sampled: Mapping[str, Scalar]) -> float | None:
        """Return the least value that the sampled lower field allows, where the ranges overlap."""
        for lower, upper in self._pairs:
            if name == upper and self._overlap(lower, upper):
                return float(sampled[lower]) + _GAP
        return None

    def _overlap(self, lower: str, upper: str) -> bool:
        both = isinstance(self.parameters.get(lower), Range) and upper in self.parameters
        return both and self._cross(lower, upper)

    def _cross(self, lower: str, upper: str) -> bool:
        return max(self._ends(lower)) + _GAP > min(self._ends(upper)) + _ROUNDING

    def _ends(self, name: str) -> tuple[float, ...]:
        """Return its values or ends, and with a condition what it is where that is not met."""
        parameter = self.parameters.get(name)
        values = parameter.ends if parameter else ()
        if parameter is None or parameter.when:
            values = (*values, self._defaults[name])
        return tuple(float(value) for value in values)

    def _keep(self, lower: str, upper: str) -> None:
        low, high = self.parameters.get(lower), self.parameters.get(upper)
        if low is None and high is None and min(self._ends(upper)) > max(self._ends(lower)):
            return
        if max(self._ends(upper)) - _GAP < min(self._ends(lower)):
            raise InputError(
                f"must be greater than {lower} by {_GAP} or more, but it is at most "
                f"{max(self._ends(upper)):g}, and {lower} at least {min(self._ends(lower)):g}",
                field=upper,
            )
        self._narrow(lower, upper)
        plain = all(
            isinstance(p, Range) and not (p.log or p.step or p.when) for p in (low, high) if p
        )
        if not plain and self._cross(lower, upper):
            raise InputError(
                f"can be as low as {min(self._ends(upper)):g}, and {lower} as high as "
                f"{max(self._ends(lower)):g}; where they can cross, both must be fixed or plain "
                "ranges, without choices, log, step or when",
                field=upper,
            )

    def _narrow(self, lower: str, upper: str) -> None:
        low, high = self.parameters.get(lower), self.parameters.get(upper)
        if isinstance(low, Range) and not low.step:
            ceiling = min(low.high, max(self._ends(upper)) - _GAP)
            self.parameters[lower] = low.model_copy(update={"high": ceiling})
        if isinstance(high, Range) and not high.step:
            floor = max(high.low, min(self._ends(lower)) + _GAP)
            self.parameters[upper] = high.model_copy(update={"low": floor})
        if high is not None:
            self.parameters[upper] = self.parameters.pop(upper)
