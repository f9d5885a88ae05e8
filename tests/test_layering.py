"""Who may import what; read from the syntax tree, so that no import escapes."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "objectives": {"objectives"},
    "trainer": {"objectives", "trainer"},
    "sweeps": {"objectives", "trainer", "sweeps"},
}
_STORE = {"store.py", "database.py", "rows.py", "schema.py", "migrations"}
# Where under sweeps/ each library may be imported; nowhere else in the project.
OWNERS = {
    "ray": {"trainable.py", "runner.py", "recorder.py", "search.py", "scheduler.py"},
    "optuna": {"search.py"},
    "mlflow": {"mlflow_client.py", "tracking.py"},
    "sqlalchemy": _STORE,
    "alembic": _STORE,
}
# Beside torch, which all of objectives/ may import: what its CPU kernels and its face need.
KERNELS = {
    "numpy": {"distance_estimate.py", "cpu_backend.py", "kernels.py"},
    "numba": {"kernels.py"},
    "lazy_loader": {"__init__.py"},
}
# sweeps takes objectives by name from the spec; these names are for objectives/ alone.
METRIC = re.compile(r"recall_at_1|(?<![A-Za-z])opis(?![A-Za-z])")


def imports(path: Path, tree: ast.AST) -> Iterator[str]:
    """Absolute dotted name of everything imported, wherever in the module it stands."""
    package = path.parent.parts
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else ()
                stem = [*base, *([module] if module else [])]
                yield from (".".join([*stem, alias.name]) for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def violations(path: Path, source: str) -> list[str]:
    """What the module at a path relative to the root imports against the rules."""
    here, found = path.parts[0], []
    for name in imports(path, ast.parse(source)):
        top = name.split(".")[0]
        if top in ALLOWED:
            if top not in ALLOWED[here]:
                found.append(f"{path}: {here} may not import {name}")
        elif (
            here == "objectives"
            and top != "torch"
            and top not in sys.stdlib_module_names
            and path.name not in KERNELS.get(top, ())
        ):
            found.append(f"{path}: objectives may not import {name}")
        elif top in OWNERS and not (here == "sweeps" and path.parts[1] in OWNERS[top]):
            found.append(f"{path}: {name} belongs in sweeps/ {sorted(OWNERS[top])}")
    return found


def metric_names(path: Path, source: str) -> list[str]:
    """Where a module knows a metric by name; docstrings may."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    return [
        f"{path}:{getattr(node, 'lineno', 0)}: {value}"
        for node in ast.walk(tree)
        if id(node) not in docstrings
        for _, value in ast.iter_fields(node)
        if isinstance(value, str) and METRIC.search(value)
    ]


def _modules(package: str) -> list[tuple[Path, str]]:
    return [
        (path.relative_to(ROOT), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports(package: str) -> None:
    modules = _modules(package)
    assert modules
    assert [found for module in modules for found in violations(*module)] == []


def test_sweeps_knows_no_metric_by_name() -> None:
    assert [found for module in _modules("sweeps") for found in metric_names(*module)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("objectives/a.py", "import trainer"),
        ("objectives/a.py", "import sweeps.store as store"),
        ("objectives/a.py", "def f():\n    from trainer.config import TrialConfig"),
        ("objectives/a.py", "if TYPE_CHECKING:\n    from sweeps import spec"),
        ("objectives/a.py", "from .. import trainer"),
        ("objectives/a/b.py", "from ...sweeps import store"),
        ("objectives/a/__init__.py", "from ...trainer import config"),
        ("objectives/a.py", "import importlib\nimportlib.import_module('trainer.config')"),
        ("objectives/a.py", "__import__('sweeps')"),
        ("objectives/a.py", "import numpy as np"),
        ("objectives/a.py", "import os, pydantic"),
        ("trainer/data/a.py", "try:\n    from sweeps.store import Store\nexcept ImportError: ..."),
        ("trainer/data/a.py", "from ...sweeps import store"),
        ("trainer/engine.py", "from ray import tune"),
        ("trainer/engine.py", "import mlflow"),
        ("sweeps/cli.py", "import ray"),
        ("sweeps/cli.py", "def f():\n    import mlflow.tracking"),
        ("sweeps/runner.py", "import optuna"),
        ("sweeps/report.py", "from sqlalchemy.orm import Session"),
        ("sweeps/tracking.py", "from alembic import command"),
        ("sweeps/other/search.py", "import optuna"),
    ],
)
def test_a_planted_import_is_found(path: str, source: str) -> None:
    assert len(violations(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("objectives/a.py", "import math, torch.nn\nfrom . import errors\nfrom .errors import E"),
        ("objectives/a.py", "from objectives.errors import InputError"),
        ("trainer/data/a.py", "import timm\nfrom ..losses import tcm\nfrom objectives import opis"),
        ("sweeps/search.py", "import optuna, ray.tune\nfrom trainer import config"),
        ("sweeps/tracking.py", "from mlflow import MlflowClient\nfrom . import store"),
        ("sweeps/migrations/versions/one.py", "from alembic import op\nimport sqlalchemy as sa"),
        ("sweeps/store.py", "from sqlalchemy import select\nfrom ._x import rays"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    assert violations(Path(path), source) == []


@pytest.mark.parametrize(
    "source",
    [
        "metrics['recall_at_1']",
        "x = f'{name}_opis'",
        "score.opis_10",
        "def f(recall_at_1): ...",
        "from objectives import opis",
        "call(opis=1)",
        "best_opis = 1",
    ],
)
def test_a_planted_metric_name_is_found(source: str) -> None:
    assert metric_names(Path("sweeps/a.py"), source)


@pytest.mark.parametrize(
    "source",
    ['"""Such as ``recall_at_1``."""', "x = 'OPIS'", "copist = 'copist'", "DEFAULT_OBJECTIVES"],
)
def test_other_names_are_not_reported(source: str) -> None:
    assert metric_names(Path("sweeps/a.py"), source) == []
