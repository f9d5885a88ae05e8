"""Search space of a sweep: a sampler of configurations, each of them valid."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from objectives import InputError
from sweeps.spec.controls import Centre, ControlRule, Opening
from sweeps.spec.field_order import FieldOrder
from sweeps.spec.field_types import check_conditions, typed_parameter, typed_value
from sweeps.spec.parameters import Choices, Range, Scalar, Suggest
from sweeps.spec.space_rules import SpaceRules
from trainer import input_error

__all__ = ["SearchSpace"]

# Of a field of which every value is held against those of others.
_MOST_VALUES: Final = 100_000


class SearchSpace:
    """Samples trial configurations.

    Of two ordered fields whose ranges overlap, the lower is sampled first, and then
    the upper one as a share in [0, 1] of the room left above it, under the name
    ``<field>_share``: the sampler sees a box, and the order always holds.

    Args:
        parameters: The sampled fields, by name.
        fixed: The other fields that the spec sets.
        config: The model of a configuration.
        rules: What holds in every space of this workload.

    Raises:
        InputError: A field is unknown, cannot take one of its values, or is both sampled and
            fixed; ordered fields cannot keep their order; a condition does not name a sampled
            list and its values; or the rules refuse the space.
    """

    def __init__(
        self,
        parameters: Mapping[str, Choices | Range],
        fixed: Mapping[str, Any],
        *,
        config: type[BaseModel],
        rules: SpaceRules,
    ) -> None:
        self._model, self._rules = config, rules
        self._fixed = {
            name: typed_value(config, f"trial.{name}", name, value) for name, value in fixed.items()
        }
        for name in parameters:
            if name in fixed:
                raise InputError(
                    "also fixed under 'trial'; keep one of the two", field=f"space.{name}"
                )
        self._defaults = _defaults(config) | self._fixed
        self._order = FieldOrder(rules.ordered, self._typed(parameters), self._defaults)
        self._parameters = self._order.parameters
        rules.check(self.values)
        self._check_together()
        self.openings()

    def suggest(self, trial: Suggest) -> dict[str, Scalar]:
        """Sample the fields that apply; those under unmet conditions are left out."""
        sampled: dict[str, Scalar] = {}
        for name, parameter in self._parameters.items():
            known = self._defaults | sampled
            if all(known[key] in values for key, values in parameter.when.items()):
                sampled[name] = self._sample(trial, name, parameter, sampled)
        return {name: sampled[name] for name in self._model.model_fields if name in sampled}

    def config(self, sampled: Mapping[str, Scalar]) -> BaseModel:
        """Complete sampled fields with the fixed ones and the defaults."""
        return self._model.model_validate({**self._fixed, **sampled})

    def is_control(self, config: BaseModel) -> bool:
        """Whether what is judged is switched off in a configuration."""
        return self._rules.control is not None and self._rules.control.holds(config.model_dump())

    def controls(self) -> list[tuple[dict[str, Scalar], BaseModel]]:
        """Return the sampled fields and the configuration of each control.

        All else is at the fixed or default value where the space has that value, and at the
        middle of the range, or the first choice, where it does not.
        """
        rule = self._rules.control
        if rule is None:
            return []
        if rule.each is None:
            return [self._control(rule, {})]
        parameter = self._parameters.get(rule.each)
        kinds = parameter.ends if parameter else (self._defaults[rule.each],)
        return [self._control(rule, {rule.each: kind}) for kind in kinds]

    def openings(self) -> list[Opening]:
        """Return what a sweep begins with: for each control itself, the default and the centre.

        What would train alike comes once.
        """
        rule = self._rules.control
        if rule is None:
            return []
        found: dict[Any, Opening] = {}
        for sampled, config in self.controls():
            plain = config.model_dump()
            base = {name: plain[name] for name in plain if name not in rule.judged}
            openings = [Opening(role="control", sampled=sampled, config=config)]
            if rule.default:
                openings.append(self._opening("default", {**base, **rule.default}, rule.default))
            openings.append(self._opening("centre", base, {}))
            for opening in openings:
                found.setdefault(rule.key(opening.config.model_dump()), opening)
        return list(found.values())

    def _opening(
        self,
        role: Literal["default", "centre"],
        values: Mapping[str, Any],
        exact: Mapping[str, Scalar],
    ) -> Opening:
        """Return the configuration nearest to some values, but for those that are to be exact."""
        centre = Centre({**values, **self._shares(values)})
        near = self.suggest(centre)
        config = self._model.model_validate({**self._fixed, **near, **exact})
        plain = config.model_dump()
        held = self.config(near).model_dump()
        inside = all(_alike(plain[name], held[name]) for name in plain)
        sampled = {name: plain[name] for name in near}
        return Opening(
            role=role, sampled=sampled, config=config, drawn=centre.picked if inside else None
        )

    def _shares(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Return the shares that stand for the values of fields that keep above a lower one."""
        shares: dict[str, float] = {}
        for name, parameter in self._parameters.items():
            held = name in values and self._order.lower(name) in values
            floor = self._order.floor(name, values) if held else None
            if floor is not None and isinstance(parameter, Range):
                low = max(parameter.low, floor)
                room = parameter.high - low
                shares[f"{name}_share"] = min(1.0, (values[name] - low) / room) if room > 0 else 0.0
        return shares

    def variants(self, names: Sequence[str]) -> list[tuple[dict[str, Scalar], BaseModel]]:
        """Return each combination of the values of some fields, and a configuration that has it.

        All other fields are as in `controls`, with nothing switched off.
        """
        return [self._variant(values) for values in self.combinations(*names)]

    def values(self, name: str) -> Sequence[Any]:
        """Return every value that a field of whole numbers or of choices can have.

        Raises:
            InputError: There are more than anybody could look through.
        """
        parameter = self._parameters.get(name)
        if parameter is None:
            return (self._defaults[name],)
        if isinstance(parameter, Range):
            step = int(parameter.step or 1)
            low, high = int(parameter.low), int(parameter.high)
            if (high - low) // step > _MOST_VALUES:
                raise InputError(
                    f"has more than {_MOST_VALUES} values, from {low:g} to {high:g}; give a larger "
                    "step, or a narrower range",
                    field=f"space.{name}",
                )
            sampled: Sequence[Any] = range(low, high + 1, step)
        else:
            sampled = parameter.choices
        return (*sampled, self._defaults[name]) if parameter.when else sampled

    def combinations(self, *names: str) -> list[dict[str, Any]]:
        """Return every combination of values that these fields of choices can have together."""
        conditions = [key for name in names for key in self._conditions(name)]
        fields = dict.fromkeys([*names, *conditions])
        found: dict[tuple[Any, ...], None] = {}
        for values in product(*(self.values(field) for field in fields)):
            known = dict(zip(fields, values, strict=True))
            if all(self._possible(name, known) for name in names):
                found[tuple(known[name] for name in names)] = None
        return [dict(zip(names, values, strict=True)) for values in found]

    def _conditions(self, name: str) -> Mapping[str, tuple[Scalar, ...]]:
        return self._parameters[name].when if name in self._parameters else {}

    def _possible(self, name: str, known: Mapping[str, Any]) -> bool:
        """Whether a field's value is sampled, or where its condition is not met the default."""
        parameter = self._parameters.get(name)
        if parameter is None or not parameter.when:
            return True
        met = all(known[key] in values for key, values in parameter.when.items())
        value: Any = known[name]
        return value in parameter.ends if met else bool(value == self._defaults[name])

    def _typed(self, parameters: Mapping[str, Choices | Range]) -> dict[str, Choices | Range]:
        """Check the parameters, and order them by condition, then as the model does.

        The order of the YAML thus changes no sample.
        """
        model = self._model
        typed = {name: typed_parameter(model, name, each) for name, each in parameters.items()}
        for name, parameter in typed.items():
            self._check_kind(name, parameter)
            check_conditions(name, parameter, typed)
        ordered = [name for name in model.model_fields if name in typed]
        return {name: typed[name] for name in sorted(ordered, key=lambda n: bool(typed[n].when))}

    def _check_together(self) -> None:
        """Refuse combinations of choices that some trial would have and the model does not take."""
        together = self._rules.together
        for fields in self.combinations(*together) if together else ():
            try:
                self._model.model_validate(fields)
            except ValidationError as error:
                raise input_error(error) from None

    def _check_kind(self, name: str, parameter: Choices | Range) -> None:
        """Refuse a field of which every value has its control, where there is no list of them."""
        control = self._rules.control
        if control is None or name != control.each:
            return
        if isinstance(parameter, Range):
            raise InputError("takes no range; list its choices", field=f"space.{name}")
        if parameter.when:
            raise InputError(
                f"every {name} has its control, so none is conditional", field=f"space.{name}.when"
            )

    def _control(
        self, rule: ControlRule, kind: Mapping[str, Scalar]
    ) -> tuple[dict[str, Scalar], BaseModel]:
        centre = self.suggest(Centre({**self._defaults, **kind}))
        config = self._model.model_validate({**self._fixed, **centre, **rule.off})
        return {k: v for k, v in centre.items() if k not in rule.left_out}, config

    def _variant(self, values: dict[str, Scalar]) -> tuple[dict[str, Scalar], BaseModel]:
        centre = self.suggest(Centre({**self._defaults, **values}))
        return values, self._model.model_validate({**self._fixed, **centre, **values})

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
        floor = self._order.floor(name, sampled)
        if floor is not None:
            low = max(parameter.low, floor)
            share = trial.suggest_float(f"{name}_share", 0.0, 1.0)
            return low + share * (parameter.high - low)
        if self._model.model_fields[name].annotation is int:
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


def _alike(value: object, other: object) -> bool:
    """Whether two values are the same, up to rounding."""
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, abs_tol=1e-12)
    return value == other


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    fields = model.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}
