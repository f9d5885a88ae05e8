"""The documents run: every Python block and every command of them, where a reader would type it.

A placeholder (``SPEC.yaml``, ``NAME``, ``embeddings.npz``) means a file, or a sweep, of one folder
that all share. Its sweep is the one that the README's example runs, on a real local Ray.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import typer.main
import yaml

from docs.rooms import PACKAGES
from sweeps.cli import app, main

# MLflow's models use what SQLAlchemy 2.1 deprecates.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

ROOT: Final = Path(__file__).parents[1]
FILES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: Final = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# Blocks that are not run here, by language, and why.
EXEMPT: Final = {
    "text": "drawings, and the synopses of docs/cli.md, which are made from the commands",
    "yaml": "specs and parts of specs: tests/test_readme.py validates them",
}
# Commands that are not run here, by their first word, and why.
UNRUN: Final = {
    "make": "it installs, or runs all tests: that its target exists is checked",
    "python": "tests of their own run the modules: that the module exists is checked",
}
SETTINGS: Final = (
    "SWEEPS_HOME",
    "SWEEPS_CACHE",
    "SWEEPS_STORE",
    "MLFLOW_TRACKING_URI",
    "RAY_ADDRESS",
)
# The sweep of the README's example in Python: real, and as small as can be.
SPEC: Final = """
name: small
data: {name: digits}
space: {loss: [smooth_ap], margin_positive: {low: 0.5, high: 0.99}}
trial: {backbone: test_efficientnet_gn, embedding_dim: 16, epochs: 1, batch_size: 16}
budget: {trials: 1, replicates: 0, reports: 0}
"""
# The sweep of `sweeps run SPEC.yaml`: it trains nothing.
SIMULATED: Final = """
name: simulated
workload: simulated
space: {trade: {low: 0, high: 1}}
trial: {last_epoch: 1}
budget: {trials: 1, reports: 0}
"""
# Commands that change the sweep that all share: they are run on a copy of the folder.
CHANGING: Final = ("confirm", "archive", "rename", "delete")
PLACEHOLDERS: Final = {"NAME": "small", "SPEC.yaml": "simulated.yaml"}


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A block, or a command, of a document.

    Attributes:
        file: The document.
        line: Where it begins, from 1.
        language: What stands behind a block's fence.
        text: Its text.
    """

    file: Path
    line: int
    text: str
    language: str = ""

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"


def blocks(file: Path) -> Iterator[Passage]:
    text = file.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", text, flags=re.MULTILINE):
        line = text[: found.start(2)].count("\n") + 1
        yield Passage(file=file, line=line, text=found[2], language=found[1])


def commands(file: Path) -> Iterator[Passage]:
    """Yield the lines of shell blocks, and what stands in a table's column of commands."""
    for block in blocks(file):
        if block.language in ("", "sh"):
            for number, line in enumerate(block.text.splitlines()):
                if line.strip():
                    yield Passage(file=file, line=block.line + number, text=line)
    column = None
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        if not line.startswith("|"):
            column = None
        elif "command" in cells:
            column = cells.index("command")
        elif column is not None:
            for span in re.findall("`(.+?)`", cells[column]):
                yield Passage(file=file, line=number + 1, text=span)


def words(passage: Passage) -> list[str]:
    """Return the words of a command, the program without its folder, placeholders replaced."""
    program, *rest = shlex.split(passage.text, comments=True)
    return [Path(program).name, *(PLACEHOLDERS.get(word, word) for word in rest)]


BLOCKS: Final = [block for file in FILES for block in blocks(file)]
PYTHON: Final = [block for block in BLOCKS if block.language == "python"]
SHELL: Final = [command for file in FILES for command in commands(file)]
RUN: Final = [each for each in SHELL if words(each)[0] == "sweeps"]
[EXAMPLE] = [block for block in PYTHON if "run_sweep(" in block.text]


def run_python(block: Passage, context: dict[str, Any]) -> dict[str, Any]:
    """Run a block; a traceback shows the line of the document."""
    code = compile("\n" * (block.line - 1) + block.text, block.file, "exec")
    names = {"__name__": "__main__"} | context
    exec(code, names)
    return names


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be where a reader is, with none of the user's own settings."""
    clean = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    clean |= {"OMP_NUM_THREADS": "1", "RAY_prestart_worker_first_driver": "0"}
    with (
        chdir(folder),
        patch.dict(os.environ, clean, clear=True),
        patch.object(sys, "path", [*sys.path]),
    ):
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with every file that the documents name, and the example's sweep."""
    folder = tmp_path_factory.mktemp("docs")
    random = np.random.default_rng(0)
    centres = random.normal(size=(10, 16))
    labels = np.arange(60) // 6
    embeddings = (centres[labels] + random.normal(size=(60, 16))).astype(np.float32)
    np.savez(folder / "embeddings.npz", embeddings=embeddings, labels=labels)
    np.save(folder / "embeddings.npy", embeddings)
    np.save(folder / "labels.npy", labels)
    table = pa.table({"embedding": list(embeddings), "label": labels})
    pq.write_table(table, folder / "embeddings.parquet")
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "simulated.yaml").write_text(SIMULATED)
    with inside(folder):
        run_python(EXAMPLE, {})
    return folder


@pytest.fixture
def context() -> dict[str, Any]:
    """Give what a block may take for granted."""
    torch.manual_seed(0)
    return {
        "images": torch.randn(32, 1, 8, 8),
        "labels": torch.arange(32) // 4,
        "embeddings": torch.randn(32, 16),
        "model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16)),
    }


# All of it is looked at


def test_no_block_is_left_out() -> None:
    fences = sum(file.read_text().count("```") for file in FILES)
    assert len(BLOCKS) * 2 == fences
    assert {block.language for block in BLOCKS} == {"python", "sh", "", *EXEMPT}


def test_no_command_is_left_out() -> None:
    others = [str(each) for each in SHELL if words(each)[0] not in ("sweeps", *UNRUN)]
    assert others == []
    assert {words(each)[1] for each in RUN} == COMMANDS.keys()


def test_the_files_are_those_of_the_repository() -> None:
    assert {file.name for file in FILES} >= {"README.md", "spec.md", "cli.md", "architecture.md"}


# Python


@pytest.mark.parametrize("block", [block for block in PYTHON if block != EXAMPLE], ids=str)
def test_python_runs(block: Passage, folder: Path, context: dict[str, Any]) -> None:
    with inside(folder):
        run_python(block, context)


def test_the_example_has_run_a_sweep(folder: Path) -> None:
    margins = yaml.safe_load((folder / "margins.yaml").read_text())
    assert (margins["sweep"], margins["pick"]) == ("small", "knee")
    assert (folder / ".sweeps" / "fronts" / "small" / "front.png").exists()


def test_the_backbone_of_the_spec_reference_builds() -> None:
    [block] = [block for block in PYTHON if "def build(" in block.text]
    backbone = run_python(block, {})["build"](pretrained=False, in_chans=1, img_size=8)
    assert backbone(torch.zeros(2, 1, 8, 8)).shape == (2, 64)


# Commands


@pytest.mark.parametrize("passage", [each for each in RUN if words(each)[1] != "ui"], ids=str)
def test_the_command_runs(passage: Passage, folder: Path, tmp_path: Path) -> None:
    if words(passage)[1] in CHANGING:
        folder = shutil.copytree(folder, tmp_path / "copy")
    with inside(folder), pytest.raises(SystemExit) as ended:
        main(words(passage)[1:])
    assert ended.value.code in (0, None)


@pytest.mark.parametrize(
    "arguments", sorted({tuple(words(each)[1:]) for each in RUN if words(each)[1] == "ui"})
)
def test_the_server_runs(arguments: tuple[str, ...], folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    code = "from sweeps.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, *arguments, "--port", str(port)]
    with (
        inside(folder),
        patch.dict(os.environ, {"PYTHONPATH": str(ROOT)}),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            shown = [line for _, line in zip(range(3), server.stdout, strict=False)]
        finally:
            server.send_signal(signal.SIGTERM)
    assert shown[1:] == ["MLflow is up; Ctrl-C ends it. Open\n", shown[2]]
    assert shown[2].startswith(f"http://127.0.0.1:{port}/#/experiments/")
    assert server.returncode == 0


def exists(command: str) -> bool:
    """Whether there is the target, or the module, that a command names."""
    program, *rest = shlex.split(command, comments=True)
    if program == "python":
        return rest[0] == "-m" and find_spec(rest[1]) is not None
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return all(word in targets for word in rest if "=" not in word)


@pytest.mark.parametrize("passage", [each for each in SHELL if words(each)[0] in UNRUN], ids=str)
def test_the_target_or_module_exists(passage: Passage) -> None:
    assert exists(passage.text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_named_in_passing_exists(file: Path) -> None:
    """Commands and options between words, such as ``sweeps score``."""
    text = file.read_text(encoding="utf-8")
    for span in re.findall(r"`sweeps ([\w-][^`>]*)`", text):
        name, options = span.split()[0], set(re.findall(r"--[a-z-]+", span))
        if name in COMMANDS:
            known = {word for param in COMMANDS[name].params for word in param.opts}
            assert options <= known | {"--help"}, span
        else:
            assert name in ("--version", "COMMAND"), span
    assert all(map(exists, re.findall(r"`((?:make|python -m) [^`]+)`", text)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_links_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_that_are_named_exist(file: Path) -> None:
    folders = "|".join((*PACKAGES, "docs", "examples", "tests", "benchmarks"))
    text = file.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{folders})/[\w./]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
