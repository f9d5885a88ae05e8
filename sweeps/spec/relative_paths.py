"""Relative paths of a spec, taken from the folder that its file lies in."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

__all__ = ["anchored"]


def anchored(raw: Any, model: Any, folder: Path) -> Any:
    """Return raw data with its relative paths taken from the folder.

    Args:
        raw: What a model is to be made of; only what is written there, and no default, is changed.
        model: The model, or the annotation of a field: where it says `Path`, a text is a path.
        folder: Where relative paths begin.
    """
    kinds = (model, *get_args(model))
    if isinstance(raw, str):
        return str(folder / Path(raw).expanduser()) if Path in kinds else raw
    if isinstance(raw, list):
        return [anchored(each, model, folder) for each in raw]
    if not isinstance(raw, dict):
        return raw
    hints: dict[str, Any] = {}
    for kind in kinds:
        if getattr(kind, "__annotations__", None):
            hints |= get_type_hints(kind)  # without metadata: pydantic's FilePath is Path
    return {name: anchored(value, hints.get(name), folder) for name, value in raw.items()}
