"""Faults that pydantic finds, in the words of someone who writes YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from objectives import InputError

__all__ = ["describe_fault", "input_error", "one_sentence"]

_UNKNOWN: Final = ("extra_forbidden", "unexpected_keyword_argument")
# What pydantic adds to the path of a field: members of a union, and that a key is meant.
_MEMBERS: Final = ("choices", "range", "[key]")
_SCALARS: Final = ("bool", "int", "float", "str")
_NUMBER, _WHOLE, _MAPPING, _LIST = "a number", "a whole number", "a mapping", "a list"
# By pydantic's error type; the braces take its context. Other types keep pydantic's words.
_MUST_BE: Final[Mapping[str, str]] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dataclass_type": _MAPPING,
    "dict_type": _MAPPING,
    "finite_number": "finite",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "less_than": "less than {lt}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "path_type": "a path",
    "string_too_short": "{min_length} characters or more",
    "string_type": "a text",
    "too_long": "a list of {max_length}",
    "tuple_type": _LIST,
}

# Characters of a value, of a part of a field's name, and of a reason that a message shows.
_MOST: Final = 200
_MOST_OF_A_NAME: Final = 60
_MOST_OF_A_REASON: Final = 360


def one_sentence(error: ValidationError) -> str:
    """Say one fault in a sentence that names the field; a misspelt key before a missing one."""
    return str(input_error(error))


def input_error(error: ValidationError, *, file: Path | None = None) -> InputError:
    """Return the error that says `one_sentence`, with its fields, of what was read from a file."""
    faults = error.errors(include_url=False)
    fault = next((fault for fault in faults if fault["type"] in _UNKNOWN), faults[0])
    path = [_cut(str(part), _MOST_OF_A_NAME) for part in fault["loc"]]
    if path and path[-1] in _SCALARS:
        message = f"must be numbers, texts, true or false, not {_shortened(fault['input'])}"
        return InputError(message, field=".".join(path[:2]), file=file)
    field = ".".join(part for part in path if part not in _MEMBERS)
    return InputError(describe_fault(fault), field=field or _own_fields(fault), file=file)


def describe_fault(fault: Mapping[str, Any]) -> str:
    """Say one entry of ``ValidationError.errors()``, without the field."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in _UNKNOWN:
        return "unknown key"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return _cut(str(context["error"]), _MOST_OF_A_REASON)
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind].format(**context)}, not {_shortened(fault['input'])}"
    return f"{fault['msg']}, not {_shortened(fault['input'])}"


def _own_fields(fault: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that the message of a check over several fields names itself."""
    cause = fault.get("ctx", {}).get("error")
    return cause.fields if isinstance(cause, InputError) else ()


def _shortened(value: object) -> str:
    """Write a value; of a file that is something else, only how it begins."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of that many digits"
    return _cut(text, _MOST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."
