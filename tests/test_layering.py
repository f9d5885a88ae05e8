"""Who may import what, by room; read from the syntax trees, so that no import escapes."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from docs.rooms import (
    PACKAGES,
    ROOT,
    Module,
    circles,
    floors,
    module_imports,
    modules,
    public_names,
    room_imports,
)
from objectives import OBJECTIVES
from trainer import TrialConfig
from trainer.losses import LOSSES

# What each room of sweeps/ may import of the others; cli/ and the face may import all.
ROOMS = {
    "home": set(),
    "files": set(),
    "spec": set(),
    "store": set(),
    "estimates": set(),
    "search": {"spec", "estimates"},
    "results": {"spec", "store", "files", "estimates"},
    "tracking": {"results", "store"},
    "embeddings": {"results"},
    "execution": {"tracking", "results", "search", "store", "spec", "home"},
    "cli": {"embeddings", "execution", "files", "home", "results", "search", "spec", "store"}
    | {"tracking"},
}
# A heavy library lives in one room, or in the files that are named.
OWNERS = {
    "ray": {"sweeps/execution"},
    "optuna": {"sweeps/search"},
    "mlflow": {"sweeps/tracking"},
    "sqlalchemy": {"sweeps/store"},
    "alembic": {"sweeps/store"},
    "plotly": {"sweeps/results/plots"},
    "matplotlib": {"trainer/data", "sweeps/results/plots", "sweeps/embeddings/utility_curves.py"},
    "typer": {"sweeps/cli"},
    "rich": {"sweeps/cli"},
    "pyarrow": {"sweeps/embeddings", "trainer/data"},
    "timm": {"trainer"},
    "torchvision": set(),
    "sklearn": {"trainer/data"},
    "PIL": {"trainer/data"},
    "filelock": {"trainer", "trainer/data/decoded"},
    "pandas": set(),
    "scipy": {"trainer/data", "sweeps/estimates"},
    "pytorch_metric_learning": {"trainer/losses"},
    "numba": {"objectives/pairwise"},
    "torch": {"objectives", "trainer", "sweeps/embeddings", "sweeps/spec/metric_learning"},
}
# The rest of the repository is not installed.
ELSEWHERE = {"docs", "tests", "benchmarks", "examples"}
# All that sweeps/ takes of the trainer outside its record: measuring, splits, and plumbing.
OF_TRAINER = {
    "Measurement",
    "Split",
    "StrictModel",
    "TrialFailed",
    "describe_fault",
    "import_object",
    "input_error",
    "load_model",
    "load_state",
    "save_state",
    "written_whole",
}
# Beside the standard library and torch, all that objectives/ may import.
KERNELS = {"numpy", "numba"}
# The package of metric learning is the one place in sweeps/ that knows what a trial is made of.
# `seed` is a word of sweeps too: of the sampler, and of every measurement.
RECORD = Path("sweeps/spec/metric_learning")
FIELDS = {*TrialConfig.model_fields} - {"seed"}
METRICS = {*OBJECTIVES, "opis_floor", "opis_corrected", "d_min", "d_max", "operating_threshold"}
LABELS = {objective.label for objective in OBJECTIVES.values()}


def _any_of(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return rf"(?<![A-Za-z_])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z_0-9])"


TRIAL = re.compile(rf"{_any_of(FIELDS | {*LOSSES})}|(?i:(?<![a-z])tcm(?!-sweeps)(?![a-z]))")
METRIC = re.compile(rf"{_any_of(METRICS)}|(?<![A-Za-z])opis(?![A-Za-z])")
LABEL = re.compile(_any_of(LABELS))
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
SPEAKING = ("print", "pprint", "input", "echo")
QUESTIONS = ("What", "How", "Where", "From", "When", "Which", "Who", "Whether", "Why", "Between")


def order(module: Module) -> list[str]:
    """Imports against ``sweeps -> trainer -> objectives``, or against the order of the rooms."""
    here, room = module.path.parts[0], module.room.partition("/")[2]
    found = []
    for each in module.imports():
        if each.top in ELSEWHERE:
            found.append(f"{module.path}:{each.line}: {each.top} is not installed")
        if each.top not in PACKAGES:
            continue
        there = f"{each.source}.{each.name}".split(".")[1]
        if PACKAGES.index(each.top) < PACKAGES.index(here):
            found.append(f"{module.path}:{each.line}: {here} may not import {each.source}")
        elif (
            here == each.top == "sweeps"
            and room
            and there in ROOMS
            and there != room
            and there not in ROOMS[room]
        ):
            found.append(f"{module.path}:{each.line}: {room} may not import {there}")
    return found


def reach(module: Module) -> list[str]:
    """Imports past the face of another package, or of a name that its face does not offer."""
    faces, found = public_names(), []
    for each in module.imports():
        if each.top not in PACKAGES or _within(module.package, each.source):
            continue
        if each.name is None or each.source not in faces:
            found.append(f"{module.path}:{each.line}: {each.source} is not a face")
        elif each.name not in faces[each.source] and f"{each.source}.{each.name}" not in faces:
            found.append(f"{module.path}:{each.line}: {each.source} does not offer {each.name}")
    return found


def _within(package: str, source: str) -> bool:
    """Whether the module named lies in the package, or directly in one that holds it."""
    home = source.rpartition(".")[0]
    # A sub-package's own face is what its neighbours have to use, a file beside them is not.
    if source in public_names():
        return package == source or package.startswith(f"{source}.")
    return package == home or package.startswith(f"{home}.")


def libraries(module: Module) -> list[str]:
    """Imports of a library outside its room."""
    found = []
    for each in module.imports():
        owners, path = OWNERS.get(each.top), module.path.as_posix()
        if owners is not None and not any(_lies_in(path, owner) for owner in owners):
            found.append(f"{path}:{each.line}: {each.top} belongs in {sorted(owners)}")
        elif (
            module.path.parts[0] == "objectives"
            and each.top not in {*PACKAGES, "torch", "lazy_loader"}
            and each.top not in sys.stdlib_module_names
            and not (each.top in KERNELS and "pairwise" in module.path.parts)
        ):
            found.append(f"{path}:{each.line}: objectives may not import {each.top}")
    return found


def _lies_in(path: str, owner: str) -> bool:
    return path == owner or path.startswith(f"{owner}/")


def names(module: Module) -> list[str]:
    """Where a module knows a hyperparameter, a loss, TCM or a metric by name; docstrings may."""
    path, patterns = module.path.as_posix(), [TRIAL]
    if not path.startswith(SCORES):
        patterns.append(METRIC)
        if module.room != "sweeps/cli":  # whose help is for people
            patterns.append(LABEL)
    found = [
        f"{place}: {text}"
        for place, text in _texts(module)
        if any(pattern.search(text) for pattern in patterns)
    ]
    if path.startswith(SCORES):
        return found
    taken = [each for each in module.imports() if each.top == "trainer" and each.name]
    return found + [
        f"{path}:{each.line}: {each.name}" for each in taken if each.name not in OF_TRAINER
    ]


def voices(module: Module) -> list[str]:
    """Where a module prints, or names an option."""
    tree = ast.parse(module.source)
    printed = [
        f"{module.path}:{node.lineno}: print"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id in SPEAKING)
        or (isinstance(node, ast.Attribute) and node.attr in (*SPEAKING, "stdout", "stderr"))
    ]
    return printed + [f"{place}: {text}" for place, text in _texts(module) if OPTION.search(text)]


def first_lines(module: Module) -> list[str]:
    """Modules and classes whose docstring begins with a question word, or is not there."""
    tree = ast.parse(module.source)
    nodes: list[ast.Module | ast.ClassDef] = [tree]
    nodes += [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = []
    for node in nodes:
        text = ast.get_docstring(node) or ""
        public = not getattr(node, "name", "").startswith("_")
        if text.split(" ")[0] in QUESTIONS or (public and not text):
            found.append(f"{module.path}:{getattr(node, 'lineno', 1)}: {text.splitlines()[:1]}")
    return found


def _texts(module: Module) -> Iterator[tuple[str, str]]:
    """Yield every name and text of a module but its docstrings, with where it stands."""
    tree = ast.parse(module.source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            for _, value in ast.iter_fields(node):
                if isinstance(value, str):
                    yield f"{module.path}:{getattr(node, 'lineno', 0)}", value


def planted(path: str, source: str) -> Module:
    return Module(path=Path(path), source=source)


CODE = [module for module in modules() if module.path.suffix == ".py"]
SWEEPS = [module for module in CODE if module.path.parts[0] == "sweeps"]
# Its command and its pictures judge embeddings of any origin, and no trial.
SCORES = ("sweeps/embeddings/", "sweeps/cli/commands/score.py", "sweeps/cli/options.py")


def test_there_is_code() -> None:
    assert {module.path.parts[0] for module in CODE} == set(PACKAGES)
    assert {module.room.partition("/")[2] for module in SWEEPS} - {""} == ROOMS.keys()


@pytest.mark.parametrize("rule", [order, reach, libraries])
def test_imports(rule: object) -> None:
    assert callable(rule)
    assert [found for module in modules() for found in rule(module)] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(module_imports()) == []


def test_the_rooms_stand_on_five_floors() -> None:
    built = floors(room_imports("sweeps"))
    assert len(built) == 5
    assert sum(map(len, built)) == len(ROOMS) == 11
    for package in PACKAGES:
        assert floors(room_imports(package))


def test_the_architecture_says_what_each_room_may_import() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", text, flags=re.MULTILINE)
    said = {room: {*re.findall(r"`(\w+)`", cell)} for room, cell in rows if room in ROOMS}
    assert said == ROOMS | {"cli": set()}  # every room


def test_sweeps_knows_no_trial_from_within() -> None:
    judged = [module for module in SWEEPS if RECORD not in module.path.parents]
    past = "sweeps/store/migrations/versions/"  # a migration knows the past as it was
    assert [
        found
        for module in judged
        if not module.path.as_posix().startswith(past)
        for found in names(module)
        # The names that pyarrow and matplotlib have for other things.
        if not (found.endswith(": batch_size") and "parquet_files.py" in found)
        if not (found.endswith(": steps") and "plots/png.py" in found)
        # The command line's word for the ceiling of what is to be minimised.
        if not (found.endswith(": --opis-ceiling") and "commands/export.py" in found)
    ] == []
    assert any(names(module) for module in SWEEPS if RECORD in module.path.parents)


def test_only_the_command_line_speaks_or_names_an_option() -> None:
    below = [module for module in CODE if module.room != "sweeps/cli"]
    assert [
        found
        for module in below
        for found in voices(module)
        # It builds MLflow's command line, and starts it with its output in a file.
        if not (module.path.as_posix() == "sweeps/tracking/server.py" and "print" not in found)
    ] == []


def test_first_lines_say_what_it_is() -> None:
    assert [found for module in CODE for found in first_lines(module)] == []


# Planted violations


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
        ("objectives/a.py", "__import__('sweeps.store')"),
        ("trainer/data/a.py", "try:\n    from sweeps.store import Store\nexcept ImportError: ..."),
        ("sweeps/store/a.py", "from sweeps.results import ranked_trials"),
        ("sweeps/spec/a.py", "from ..store import Store"),
        ("sweeps/search/a.py", "from sweeps.store import Store"),
        ("sweeps/results/plots/a.py", "def f():\n    from sweeps.tracking import MlflowMirror"),
        ("sweeps/tracking/a.py", "import sweeps.execution"),
        ("sweeps/embeddings/a.py", "from sweeps.store import Store"),
        ("sweeps/execution/a.py", "if TYPE_CHECKING:\n    from sweeps.cli import app"),
        ("sweeps/files.py", "from sweeps.home import Home"),
        ("sweeps/store/a.py", "import lazy_loader\nlazy_loader.load('sweeps.cli.app')"),
        ("sweeps/store/a.py", "import pkgutil\npkgutil.resolve_name('sweeps.execution:run_sweep')"),
        (
            "sweeps/store/a.py",
            "import importlib\nimportlib.import_module(name='sweeps.cli')",
        ),
        ("sweeps/store/a.py", "from docs.rooms import svg"),
    ],
)
def test_a_planted_import_against_the_order_is_found(path: str, source: str) -> None:
    assert len(order(planted(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sweeps/results/a.py", "from sweeps.store.store import Store"),
        ("sweeps/results/a.py", "import sweeps.store"),
        ("sweeps/results/a.py", "from sweeps.store import schema"),
        ("sweeps/spec/a.py", "from trainer.config import TrialConfig"),
        ("sweeps/spec/a.py", "from trainer import engine"),
        ("trainer/a.py", "from objectives.score import Score"),
        ("trainer/a.py", "from trainer.losses.table import LOSSES"),
        ("objectives/a.py", "from objectives.pairwise.kernels import for_rows"),
        ("sweeps/embeddings/a.py", "from sweeps.results.plots.style import INK"),
    ],
)
def test_a_planted_reach_past_a_face_is_found(path: str, source: str) -> None:
    assert len(reach(planted(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("objectives/a.py", "import numpy as np"),
        ("objectives/a.py", "import os, pydantic"),
        ("trainer/engine.py", "from ray import tune"),
        ("trainer/engine.py", "import mlflow"),
        ("trainer/engine.py", "import pytorch_metric_learning"),
        ("sweeps/cli/app.py", "import ray"),
        ("sweeps/cli/app.py", "def f():\n    import mlflow.tracking"),
        ("sweeps/execution/run.py", "import optuna"),
        ("sweeps/results/ranking.py", "from sqlalchemy.orm import Session"),
        ("sweeps/tracking/mirror.py", "from alembic import command"),
        ("sweeps/search/study.py", "from ray.tune.search import Searcher"),
        ("sweeps/results/ranking.py", "import torch"),
        ("sweeps/execution/run.py", "from rich.console import Console"),
        ("sweeps/embeddings/reading.py", "import matplotlib"),
    ],
)
def test_a_planted_library_is_found(path: str, source: str) -> None:
    assert len(libraries(planted(path, source))) == 1


def test_a_planted_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="in a circle: a, b"):
        floors({"a": {"b"}, "b": {"a"}})
    assert floors({"a": {"b"}, "b": set(), "c": {"a", "b"}}) == [["b"], ["a"], ["c"]]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("objectives/a.py", "import math, torch.nn\nfrom . import errors\nfrom .errors import E"),
        ("objectives/score.py", "from objectives.pairwise import Classes"),
        ("objectives/pairwise/a.py", "import numba\nfrom objectives.errors import InputError"),
        ("trainer/a.py", "import timm\nfrom trainer.losses import tcm_loss"),
        ("trainer/losses/a.py", "from trainer.strict_model import StrictModel"),
        ("sweeps/search/study.py", "import optuna\nfrom sweeps.spec import SearchSpace"),
        ("sweeps/execution/run.py", "import ray.tune\nfrom sweeps.results import ranked_trials"),
        ("sweeps/embeddings/a.py", "from sweeps.results.plots import INK"),
        ("sweeps/store/migrations/versions/a.py", "from alembic import op\nimport sqlalchemy"),
        ("sweeps/store/store.py", "from sqlalchemy import select\nfrom sweeps.store import schema"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    module = planted(path, source)
    assert order(module) + reach(module) + libraries(module) == []


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
        "config['batch_size']",
        "config.loss",
        "trial.config.get('epochs', '?')",
        "def f(margin_positive): ...",
        "x = 'the learning_rate of it'",
        "TCM_FIELDS = 1",
        "is_tcm = True",
        "print('TCM weight 0')",
        "x = 'smooth_ap'",
        "values['operating_threshold']",
        "title = 'Recall@1'",
        "from trainer import TrialConfig",
        "from trainer import TrainingRun, build_loss",
    ],
)
def test_a_planted_name_is_found(source: str) -> None:
    assert names(planted("sweeps/a.py", source))


@pytest.mark.parametrize(
    "source",
    [
        '"""Such as ``recall_at_1``."""',
        "copist = 'copist'",
        "DEFAULT_OBJECTIVES",
        "last_epoch = 1",
        "closs = seed = 0",
        "version('tcm-sweeps')",
    ],
)
def test_other_names_are_not_reported(source: str) -> None:
    assert names(planted("sweeps/a.py", source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "raise InputError('--pick: no')",
        "x = f'{y} with --home'",
        "import sys\nsys.stdout.write('a')",
        "import builtins\nbuiltins.print(1)",
    ],
)
def test_a_planted_voice_is_found(source: str) -> None:
    assert len(voices(planted("sweeps/store/a.py", source))) == 1


@pytest.mark.parametrize(
    "source",
    ['"""What it does."""', '"""A."""\nclass B:\n    """How to."""', '"""A."""\nclass B: ...'],
)
def test_a_planted_first_line_is_found(source: str) -> None:
    assert len(first_lines(planted("sweeps/store/a.py", source))) == 1


def test_no_name_of_a_lazy_face_is_that_of_a_module_beside_it() -> None:
    """Else the module, once imported, would take the name's place on its package."""
    there = {module.name for module in modules()}
    lazy = [module.name for module in modules() if module.path.name == "__init__.pyi"]
    assert len(lazy) > 4
    offered = [f"{face}.{name}" for face in lazy for name in public_names()[face]]
    assert [name for name in offered if name in there] == []
