"""Documents made from the code: ``python -m docs.generate`` writes them, ``--check`` compares."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from docs.commands import command_reference
from docs.noise_table import noise_table
from docs.recipe_tables import recipe_tables
from docs.rooms_picture import svg
from sweeps.cli import app
from trainer import RECIPES, DataConfig, TrialConfig
from trainer.losses import LOSSES, LossTable

__all__ = ["DOCUMENTS", "field_table", "loss_table", "main"]

_FOLDER: Final = Path(__file__).parent


def field_table(model: type[BaseModel], heading: str) -> str:
    """Return a table of a model's fields: name, explanation and default."""
    rows = [f"| {heading} | meaning | default |", "|---|---|---|", *_field_rows(model)]
    return "\n".join(rows)


def loss_table(losses: LossTable) -> str:
    """Return a table of the base losses, each with its paper and its own fields."""
    rows = ["| loss | its fields | paper |", "|---|---|---|"]
    for name, record in losses.items():
        fields = ", ".join(f"`{field}`" for field in record.fields())
        rows.append(f"| `{name}` | {fields} | {record.summary} |")
    return "\n".join(rows)


def _field_rows(model: type[BaseModel], prefix: str = "") -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        inner, default = field.annotation, f"{_shown(field.default)} "
        nested = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        rows.append(f"| `{prefix}{name}` | {field.description} | {'' if nested else default}|")
        rows += _field_rows(nested, f"{prefix}{name}.") if nested else []
    return rows


def _shown(default: object) -> str:
    """Write a default as YAML has it."""
    if default == ():
        return "`[]`"
    if default is None or isinstance(default, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[default]
    if isinstance(default, int | float):
        short = f"{default:g}"
        return short if float(short) == default else repr(default)
    return f"`{default}`"


def _spec() -> str:
    """Return docs/spec.md, with a new text between each pair of marks."""
    parts = {
        "data": field_table(DataConfig, "key"),
        "trial": field_table(TrialConfig, "field"),
        "losses": loss_table(LOSSES),
    }
    return _marked("spec.md", parts)


def _recipes() -> str:
    """Return docs/recipes.md, with new tables between its marks."""
    return _marked("recipes.md", {"recipes": recipe_tables(RECIPES)})


def _noise_floor() -> str:
    """Return docs/noise_floor.md, with the benchmark's figures between its marks."""
    table = noise_table(_FOLDER / "benchmarks" / "noise_floor.json")
    return _marked("noise_floor.md", {"figures": table})


def _marked(name: str, parts: Mapping[str, str]) -> str:
    """Return a document with these parts between their marks."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for part, table in parts.items():
        begin, end = f"<!-- {part}: python -m docs.generate -->", f"<!-- end of {part} -->"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"docs/{name} lacks {begin} ... {end}")
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


# By file: what makes its whole text.
DOCUMENTS: Final[Mapping[Path, Callable[[], str]]] = {
    _FOLDER / "spec.md": _spec,
    _FOLDER / "recipes.md": _recipes,
    _FOLDER / "noise_floor.md": _noise_floor,
    _FOLDER / "cli.md": lambda: command_reference(app),
    _FOLDER / "rooms.svg": svg,
}


def main() -> None:
    """Write every document that differs, or with ``--check`` exit with 1 if one does."""
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for file, make in DOCUMENTS.items():
        text = make()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(file.name)
            if not check:
                file.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'differs' if check else 'written'}: {', '.join(stale)}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
