"""YAML files as pydantic models, with errors that name the file, the line or the field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from objectives import InputError
from trainer.validation import input_error

__all__ = ["load_model", "read_yaml"]

_Model = TypeVar("_Model", bound=BaseModel)


def load_model(
    path: Path,
    model: type[_Model],
    *,
    kind: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> _Model:
    """Read a model from a YAML file.

    Args:
        path: The file.
        model: The model.
        kind: As `read_yaml`.
        context: Pydantic's validation context, for the model's own validators.

    Raises:
        InputError: As `read_yaml`; or the content does not fit the model.
    """
    content = read_yaml(path, kind=kind)
    try:
        return model.model_validate(content, context=context)
    except ValidationError as error:
        raise input_error(error, file=path) from None


def read_yaml(path: Path, *, kind: str | None = None) -> Any:
    """Return the content of a YAML file in UTF-8, in which no mapping has a key twice.

    Args:
        path: The file.
        kind: The kind of file it should be, such as "a YAML file of tuned margins": all that is
            said of a file that is not YAML. None: it is told where and why it is not.

    Raises:
        InputError: The file cannot be read, or is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, or a date that there is not
        reason = f"is not {kind}" if kind else f"is not valid YAML ({_reason(error)})"
        raise InputError(reason, file=path) from None


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        return f"line {line}: {error.problem}"
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that is there twice, where YAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {name!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)
