"""YAML files as pydantic models, with errors that name the file, the line or the field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from objectives import InputError
from trainer.strict_yaml import load_strict
from trainer.validation import input_error

__all__ = ["load_model", "read_yaml"]

_Model = TypeVar("_Model", bound=BaseModel)
# Of a file that a person wrote; a picture, or a device without end, is not read whole.
_MOST_CHARACTERS: Final = 1_000_000
# Characters of a reason.
_MOST_SAID: Final = 200


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
        InputError: The file cannot be read, or is not YAML, or not such as `load_strict` takes.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"there are more than {_MOST_CHARACTERS} characters")
        return load_strict(text)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from None
    except ValueError as error:
        reason = f"is not {kind}" if kind else f"is not valid YAML ({_shortened(error)})"
        raise InputError(reason, file=path) from None


def _shortened(error: ValueError) -> str:
    """Return what is wrong with a text; of one that is no YAML at all, only how that begins."""
    text = str(error)
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]} ..."
