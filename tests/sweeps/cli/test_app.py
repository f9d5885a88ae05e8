import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import typer.main
from typer.core import TyperGroup

import sweeps.execution.places
from sweeps.cli import app
from tests.sweeps.command import Command, TinySweep

from .place import Place

COMMANDS = cast(TyperGroup, typer.main.get_command(app)).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_what_each_option_is_for(command: Command, name: str) -> None:
    ran = command(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(rf"Usage: .* {name} ", ran.out)
    options = [param for param in COMMANDS[name].params if param.name != "help"]
    assert [param.name for param in options if not getattr(param, "help", None)] == []
    assert COMMANDS[name].help


def test_help_lists_the_commands(command: Command) -> None:
    shown = command("--help").out
    assert all(f" {name} " in shown for name in COMMANDS)
    assert {"run", "list", "status", "front", "export", "score", "ui"} <= COMMANDS.keys()


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from sweeps.cli import main
sys.argv = ["sweeps", *sys.argv[1:]]
try:
    main()
finally:
    print({"torch", "ray", "mlflow", "optuna", "sqlalchemy", "numpy"} & set(sys.modules))
"""
    for arguments in (["--help"], ["run", "--help"]):
        ran = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert ran.stdout.splitlines()[-1] == "set()"


def test_an_unforeseen_error_keeps_its_traceback(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a programming error")

    monkeypatch.setattr(sweeps.execution.places, "check_address", broken)
    with pytest.raises(ValueError, match="a programming error"):
        command("run", place.folder / "good.yaml")


def test_looking_at_a_sweep_loads_neither_timm_nor_ray_nor_mlflow() -> None:
    code = "import sys, sweeps.cli.output; print([m for m in HEAVY if m in sys.modules])"
    heavy = repr(("timm", "ray", "mlflow", "optuna"))
    command = [sys.executable, "-c", code.replace("HEAVY", heavy)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@pytest.mark.parametrize("words", [["list"], ["status", "tiny"], ["front", "tiny", "--json"]])
def test_looking_commands_load_only_what_they_show(tiny: TinySweep, words: list[str]) -> None:
    code = """
import sys
from sweeps.cli import main
sys.argv = ["sweeps", *sys.argv[1:]]
try:
    main()
finally:
    heavy = ("torch", "numpy", "timm", "ray", "mlflow", "optuna", "plotly", "matplotlib", "alembic")
    print([module for module in heavy if module in sys.modules], file=sys.stderr)
"""
    command = [sys.executable, "-c", code, *words, "--home", str(tiny.home)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"
    assert ran.stdout


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_a_folder_of_the_users_does_not_take_the_place_of_a_package(
    tiny: TinySweep, tmp_path: Path
) -> None:
    for name in ("objectives", "trainer", "sweeps"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the user\\'s own')")
    code = "import sys; sys.path.remove(''); from sweeps.cli import main; main()"
    command = [sys.executable, "-c", code, "status", "tiny", "--home", str(tiny.home)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "COMPLETE" in ran.stdout


def test_help_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from sweeps.cli import main; main()"
    command = [sys.executable, "-c", code, "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=gone)
    assert "Usage" in ran.stdout
