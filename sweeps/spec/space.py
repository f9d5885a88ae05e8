"""The search space: samples trial configurations, each of them valid."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic import TypeAdapter, ValidationError

from objectives import InputError
from sweeps.parameters import Choices, Range, Scalar
from trainer import ORDERED_FIELDS, TCM_FIELDS, TCM_WEIGHTS, TrialConfig, describe_fault

__all__ = ["SearchSpace", "Suggest"]

# Sampled margins keep at least this distance.
_GAP: Final = 0.01
_ROUNDING: Final = 1e-9


class Suggest(Protocol):
    """What picks a value for a named parameter; an ``optuna.Trial`` does."""

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


class SearchSpace:
    """Samples trial configurations.

    Of two ordered fields (the margins) whose ranges overlap, the lower is sampled first, and then
    the upper one as a share in [0, 1] of the room left above it, under the name
    ``<field>_share``: the sampler sees a box, and the order always holds.

    Args:
        parameters: The sampled fields, by name.
        fixed: The other fields that the spec sets.

    Raises:
        InputError: A field is unknown, cannot take one of its values, or is both sampled and
            fixed; the margins cannot keep their order; some batch size is not a multiple of some
            samples per class; or a condition does not name a sampled list and its values.
    """

    def __init__(self, parameters: Mapping[str, Choices | Range], fixed: Mapping[str, Any]) -> None:
        self._fixed = {
            name: _checked(f"trial.{name}", name, value) for name, value in fixed.items()
        }
        for name in parameters:
            if name in fixed:
                raise InputError(f"space.{name}: also fixed under 'trial'; keep one of the two")
        self._defaults = {k: f.default for k, f in TrialConfig.model_fields.items()} | self._fixed
        typed = {name: _typed(name, parameter) for name, parameter in parameters.items()}
        for name, parameter in typed.items():
            _check_conditions(name, parameter, typed)
        self._parameters = _unconditional_first(typed)
        for lower, upper in ORDERED_FIELDS:
            self._keep_order(lower, upper)
        self._check_batches()
        self.controls()

    def suggest(self, trial: Suggest) -> dict[str, Scalar]:
        """Sample the fields that apply; those under unmet conditions are left out."""
        sampled: dict[str, Scalar] = {}
        for name, parameter in self._parameters.items():
            known = self._defaults | sampled
            if all(known[key] in values for key, values in parameter.when.items()):
                sampled[name] = self._sample(trial, name, parameter, sampled)
        return {name: sampled[name] for name in TrialConfig.model_fields if name in sampled}

    def config(self, sampled: Mapping[str, Scalar]) -> TrialConfig:
        """Complete sampled fields with the fixed ones and the defaults."""
        return TrialConfig.model_validate({**self._fixed, **sampled})

    def controls(self) -> list[tuple[dict[str, Scalar], TrialConfig]]:
        """One control (TCM weight 0) for each base loss: its sampled fields and configuration.

        All else is at the fixed or default value where the space has that value, and at the
        middle of the range, or the first choice, where it does not.
        """
        loss = self._parameters.get("loss")
        losses = loss.ends if loss else (self._defaults["loss"],)
        return [self._control(str(name)) for name in losses]

    def _control(self, loss: str) -> tuple[dict[str, Scalar], TrialConfig]:
        centre = self.suggest(_Centre(self._defaults | {"loss": loss}))
        off: dict[str, Scalar] = dict.fromkeys(TCM_WEIGHTS, 0.0)
        config = TrialConfig.model_validate({**self._fixed, **centre, **off})
        return {k: v for k, v in centre.items() if k not in TCM_FIELDS}, config

    def _sample(
        self,
        trial: Suggest,
        name: str,
        parameter: Choices | Range,
        sampled: Mapping[str, Scalar],
    ) -> Scalar:
        if isinstance(parameter, Choices):
            choice: Scalar = trial.suggest_categorical(name, list(parameter.choices))
            return choice
        floor = self._floor(name, sampled)
        if floor is not None:
            low = max(parameter.low, floor)
            share = trial.suggest_float(f"{name}_share", 0.0, 1.0)
            return low + share * (parameter.high - low)
        if TrialConfig.model_fields[name].annotation is int:
            return trial.suggest_int(
                name,
                int(parameter.low),
                int(parameter.high),
                step=int(parameter.step or 1),
                log=parameter.log,
            )
        return trial.suggest_float(
            name, parameter.low, parameter.high, step=parameter.step, log=parameter.log
        )

    def _floor(self, name: str, sampled: Mapping[str, Scalar]) -> float | None:
        """Return the least value that the sampled lower field allows, where the ranges overlap."""
        for lower, upper in ORDERED_FIELDS:
            if name == upper and self._overlap(lower, upper):
                return float(sampled[lower]) + _GAP
        return None

    def _overlap(self, lower: str, upper: str) -> bool:
        both = isinstance(self._parameters.get(lower), Range) and upper in self._parameters
        return both and self._cross(lower, upper)

    def _cross(self, lower: str, upper: str) -> bool:
        return max(self._ends(lower)) + _GAP > min(self._ends(upper)) + _ROUNDING

    def _ends(self, name: str) -> tuple[float, ...]:
        """Return its values or ends, and with a condition what it is where that is not met."""
        parameter = self._parameters.get(name)
        values = parameter.ends if parameter else ()
        if parameter is None or parameter.when:
            values = (*values, self._defaults[name])
        return tuple(float(value) for value in values)

    def _keep_order(self, lower: str, upper: str) -> None:
        """Narrow the two ranges to what the order leaves, and sample the lower one first.

        Ranges with a step stay as they are: their ends must lie on the steps.
        """
        low, high = self._parameters.get(lower), self._parameters.get(upper)
        if low is None and high is None and min(self._ends(upper)) > max(self._ends(lower)):
            return
        if max(self._ends(upper)) - _GAP < min(self._ends(lower)):
            raise InputError(
                f"{upper}: must be greater than {lower} by {_GAP} or more, but it is at most "
                f"{max(self._ends(upper)):g}, and {lower} at least {min(self._ends(lower)):g}"
            )
        if isinstance(low, Range) and not low.step:
            ceiling = min(low.high, max(self._ends(upper)) - _GAP)
            self._parameters[lower] = low.model_copy(update={"high": ceiling})
        if isinstance(high, Range) and not high.step:
            floor = max(high.low, min(self._ends(lower)) + _GAP)
            self._parameters[upper] = high.model_copy(update={"low": floor})
        if high is not None:
            self._parameters[upper] = self._parameters.pop(upper)
        plain = all(
            isinstance(p, Range) and not (p.log or p.step or p.when) for p in (low, high) if p
        )
        if not plain and self._cross(lower, upper):
            raise InputError(
                f"{upper}: can be as low as {min(self._ends(upper)):g}, and {lower} as high as "
                f"{max(self._ends(lower)):g}; where they can cross, both must be fixed or plain "
                "ranges, without choices, log, step or when"
            )

    def values(self, name: str) -> Sequence[Any]:
        """Every value that a field with integer or categorical values can take."""
        parameter = self._parameters.get(name)
        if parameter is None:
            return (self._defaults[name],)
        if isinstance(parameter, Range):
            step = int(parameter.step or 1)
            sampled: Sequence[Any] = range(int(parameter.low), int(parameter.high) + 1, step)
        else:
            sampled = parameter.choices
        return (*sampled, self._defaults[name]) if parameter.when else sampled

    def largest_class_count(self) -> int:
        """Most classes that a batch of this space can hold."""
        return int(max(self.values("batch_size"))) // int(min(self.values("samples_per_class")))

    def _check_batches(self) -> None:
        for batch_size in self.values("batch_size"):
            for samples in self.values("samples_per_class"):
                if batch_size % samples:
                    raise InputError(
                        f"batch_size: {batch_size} is not a multiple of samples_per_class "
                        f"({samples}); every combination in the space must be"
                    )
                if batch_size == samples:
                    raise InputError(
                        f"batch_size: {batch_size} holds one class of samples_per_class "
                        f"({samples}); a batch needs two or more"
                    )


class _Centre:
    """Picks the default value where there is room for it, and the middle where there is not."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = defaults

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        default: Scalar = self._defaults[name]
        return default if default in choices else choices[0]

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        middle = self.suggest_float(name, low, high, log=log)
        return low + round((middle - low) / step) * step

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        middle = math.sqrt(low * high) if log else (low + high) / 2
        value = self._defaults.get(name, middle)
        value = value if low <= value <= high else middle
        return float(value if step is None else low + round((value - low) / step) * step)


def _checked(where: str, name: str, value: Any) -> Any:
    """Return the value as the field's own type, such as 0.001 for YAML's text ``1e-3``."""
    field = TrialConfig.model_fields.get(name)
    if field is None:
        raise InputError(f"{where}: unknown key; there is {', '.join(TrialConfig.model_fields)}")
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InputError(f"{where}: {describe_fault(error.errors()[0])}") from None


def _typed(name: str, parameter: Choices | Range) -> Choices | Range:
    where = f"space.{name}"
    ends = tuple(_checked(where, name, value) for value in parameter.ends)
    if isinstance(parameter, Choices):
        if len(set(ends)) < len(ends):
            raise InputError(f"{where}: {list(ends)} must be distinct")
        return parameter.model_copy(update={"choices": ends})
    kind = TrialConfig.model_fields[name].annotation
    if kind not in (int, float):
        raise InputError(f"{where}: takes no range; list its choices")
    if kind is int and parameter.step is not None and parameter.step % 1:
        raise InputError(f"{where}.step: must be a whole number, not {parameter.step:g}")
    return parameter


def _check_conditions(
    name: str, parameter: Choices | Range, parameters: Mapping[str, Choices | Range]
) -> None:
    if name == "loss" and parameter.when:
        raise InputError("space.loss.when: every loss has its control, so none is conditional")
    for key, values in parameter.when.items():
        other = parameters.get(key)
        if not isinstance(other, Choices) or other.when:
            raise InputError(
                f"space.{name}.when: {key!r} must be in the space as a list of choices without "
                "conditions"
            )
        unknown = [value for value in values if value not in other.choices]
        if unknown or not values:
            raise InputError(
                f"space.{name}.when.{key}: must be some of {list(other.choices)}, "
                f"not {list(values)}"
            )


def _unconditional_first(
    parameters: Mapping[str, Choices | Range],
) -> dict[str, Choices | Range]:
    """Order by condition, then as `TrialConfig` does: the order of the YAML changes no sample."""
    ordered = [name for name in TrialConfig.model_fields if name in parameters]
    return {
        name: parameters[name] for name in sorted(ordered, key=lambda n: bool(parameters[n].when))
    }
