"""Tables of the recipes: each setting, where it is published, and what is done otherwise."""

import json
from collections.abc import Mapping
from typing import Any

from trainer.recipes import Recipe, Setting

__all__ = ["recipe_tables"]


def recipe_tables(recipes: Mapping[str, Recipe]) -> str:
    """Return a section for each recipe."""
    return "\n\n".join(_section(recipe) for recipe in recipes.values())


def _section(recipe: Recipe) -> str:
    sets = ", ".join(f"`{name}`" for name in recipe.published)
    rows = [
        f"## `{recipe.name}`",
        "",
        f"{recipe.paper}; [the authors' code]({recipe.code}), which has {sets}.",
        "",
        "| field | value | published in | otherwise here |",
        "|---|---|---|---|",
        *(_row(name, setting) for name, setting in recipe.settings.items()),
        "",
        *(f"- {note}" for note in recipe.notes),
    ]
    return "\n".join(rows)


def _row(name: str, setting: Setting) -> str:
    cases: dict[str, list[str]] = {}
    for case, value in setting.cases.items():
        cases.setdefault(_shown(value), []).append(_case(case))
    values = [_shown(setting.value), *(f"{v} ({', '.join(on)})" for v, on in cases.items())]
    return f"| `{name}` | {'; '.join(values)} | {setting.source} | {setting.otherwise} |"


def _case(case: str) -> str:
    kinds = {"vit": "a ViT", "resnet": "another backbone"}
    return " with ".join(kinds.get(part, f"`{part}`") for part in case.split())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
