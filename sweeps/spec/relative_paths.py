"""Relative paths of a spec, taken from the folder that its file lies in."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

__all__ = ["anchored", "anchored_choices"]


def anchored(raw: Any, model: Any, folder: Path) -> Any:
    """Return raw data with its relative paths taken from the folder.

    Args:
        raw: What a model is to be made of; only what is written there, and no default, is changed.
        model: The model, or the annotation of a field: where it says `Path`, a text is a path.
        folder: Where relative paths begin.

    Raises:
        ValueError: A path begins at the home of a user that there is not.
    """
    kinds = (model, *get_args(model))
    if isinstance(raw, str):
        return str(folder / _expanded(raw)) if Path in kinds else raw
    if isinstance(raw, list):
        return [anchored(each, model, folder) for each in raw]
    if not isinstance(raw, dict):
        return raw
    hints: dict[str, Any] = {}
    for kind in kinds:
        if getattr(kind, "__annotations__", None):
            hints |= get_type_hints(kind)  # without metadata: pydantic's FilePath is Path
    return {name: anchored(value, hints.get(name), folder) for name, value in raw.items()}


def anchored_choices(raw: dict[Any, Any], model: Any, folder: Path) -> dict[Any, Any]:
    """Return a raw search space with the relative paths among its choices taken from the folder.

    Args:
        raw: By field, a list of choices, or a mapping that may have ``choices``.
        model: The model of the fields.
        folder: Where relative paths begin.
    """
    lists = {key: each["choices"] for key, each in raw.items() if _has_choices(each)}
    moved = anchored(raw | lists, model, folder)
    return {
        key: {**raw[key], "choices": value} if key in lists else value
        for key, value in moved.items()
    }


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r}: there is no such user") from None


def _has_choices(parameter: Any) -> bool:
    return isinstance(parameter, dict) and "choices" in parameter
