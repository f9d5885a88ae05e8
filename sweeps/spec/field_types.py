"""Sampled and fixed fields held against the model of a configuration."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from objectives import InputError
from sweeps.spec.parameters import Choices, Range
from trainer import describe_fault

__all__ = ["check_conditions", "typed_parameter", "typed_value"]

# Fields that a message lists.
_LISTED: Final = 12


def typed_value(model: type[BaseModel], where: str, name: str, value: Any) -> Any:
    """Return the value as the field's own type, such as 0.001 for YAML's text ``1e-3``.

    Raises:
        InputError: The model has no such field, or it cannot take the value.
    """
    field = model.model_fields.get(name)
    if field is None:
        raise InputError(f"unknown key; {_known(name, list(model.model_fields))}", field=where)
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InputError(describe_fault(error.errors()[0]), field=where) from None


def typed_parameter(
    model: type[BaseModel], name: str, parameter: Choices | Range
) -> Choices | Range:
    """Return the parameter with its choices as the field's own type.

    Raises:
        InputError: As `typed_value`, two choices are then the same, or the field takes no range.
    """
    where = f"space.{name}"
    ends = tuple(_scalar(typed_value(model, where, name, value)) for value in parameter.ends)
    if isinstance(parameter, Choices):
        if len(set(ends)) < len(ends):
            raise InputError(f"{list(ends)} must be distinct", field=where)
        return parameter.model_copy(update={"choices": ends})
    kind = model.model_fields[name].annotation
    if kind not in (int, float):
        raise InputError("takes no range; list its choices", field=where)
    if kind is int and parameter.step is not None and parameter.step % 1:
        raise InputError(f"must be a whole number, not {parameter.step:g}", field=f"{where}.step")
    return parameter


def _known(name: str, fields: list[str]) -> str:
    """Name the fields that someone may have meant, or the first few that there are."""
    near = difflib.get_close_matches(name, fields)
    if near:
        return f"near: {', '.join(near)}"
    more = f" and {len(fields) - _LISTED} more" if len(fields) > _LISTED else ""
    return f"there is {', '.join(fields[:_LISTED])}{more}"


def _scalar(value: Any) -> Any:
    """Return a value as samplers take it: a path as its text."""
    return str(value) if isinstance(value, Path) else value


def check_conditions(
    name: str, parameter: Choices | Range, parameters: Mapping[str, Choices | Range]
) -> None:
    """Refuse a condition that does not name a sampled list and its values.

    Raises:
        InputError: As said.
    """
    for key, values in parameter.when.items():
        other = parameters.get(key)
        if not isinstance(other, Choices) or other.when:
            raise InputError(
                f"{key!r} must be in the space as a list of choices without conditions",
                field=f"space.{name}.when",
            )
        unknown = [value for value in values if value not in other.choices]
        if unknown or not values:
            raise InputError(
                f"must be some of {list(other.choices)}, not {list(values)}",
                field=f"space.{name}.when.{key}",
            )
