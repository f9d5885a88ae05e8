"""Weights of a trunk from a local file: safetensors, or a state dict that torch saved."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import timm.models
from torch import Tensor, nn

from objectives import InputError

__all__ = ["describe_misfit", "first_line", "read_weights"]

# Of a folder that holds several, the first of these; a snapshot of the hub has both.
_HUB_FILES: Final = ("model.safetensors", "pytorch_model.bin")
_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
# Keys that a message lists.
_MOST: Final = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict; nothing in the file is run.

    Of a training checkpoint the averaged weights are taken where it has some, as timm does.

    Args:
        path: A file, or a folder with one.

    Raises:
        InputError: There is no such file, it cannot be read, or it holds no state dict.
    """
    try:
        file = _file(path)
    except (OSError, RuntimeError) as error:  # a name too long, or the home of nobody
        raise InputError(f"cannot be read ({error})", field="weights") from error
    try:
        found: object = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:  # each format and each kind of damage has its own
        raise InputError(
            f"is no file of weights that can be read ({first_line(error)})", file=file
        ) from error
    if not isinstance(found, Mapping) or not found:
        raise InputError("holds no state dict", file=file)
    if any(not isinstance(value, Tensor) for value in found.values()):
        raise InputError("holds no state dict: not all of its values are tensors", file=file)
    return {str(key): value for key, value in found.items()}


def describe_misfit(weights: Mapping[str, Tensor], model: nn.Module) -> str:
    """Say which keys a model lacks or has too many, "" where all of them fit."""
    own = model.state_dict()
    shapes = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    faults = {
        "lacks": [key for key in own if key not in weights],
        "has, beside what is needed,": [key for key in weights if key not in own],
        "has in another shape": shapes,
    }
    return "; it ".join(f"{said} {_listed(keys)}" for said, keys in faults.items() if keys)


def first_line(error: Exception) -> str:
    """Return the first line of a message, which may have many, or the error's kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _file(path: Path) -> Path:
    path = path.expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError("there is no such file or folder", field="weights", file=path)
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    named = [path / name for name in _HUB_FILES if path / name in files]
    if len(files) != 1 and not named:
        found = _listed([file.name for file in files]) if files else "none"
        raise InputError(
            f"a folder must hold one file of weights, not {found}; name the file",
            field="weights",
            file=path,
        )
    return (named or files)[0]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
