"""Mutated specs: each is taken, or refused in one sentence that names its file."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from objectives import InputError
from sweeps.search import study_of
from sweeps.spec import SweepSpec, load_spec, planned_baselines

from .mutations import damaged_bytes, mutants

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
SIMULATED = """
name: simulated
workload: simulated
space: {trade: {low: 0, high: 1}, detour: {low: 0, high: 0.5}}
budget: {trials: 9}
"""
TEXTS = (SIMULATED, *(path.read_text(encoding="utf-8") for path in EXAMPLES))
CONTENTS = tuple(text.encode() for text in TEXTS)
# A fault is one sentence on one line, which a terminal shows in a few.
LONGEST = 500
many = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
few = settings(many, max_examples=150)


def check(path: Path, content: bytes) -> bool:
    """Do with a spec all that comes before its data; return whether it is one."""
    path.write_bytes(content)
    try:
        spec = load_spec(path)
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message.removeprefix(f"{path}: ")) < LONGEST
        return False
    study, space = study_of(spec), spec.search_space()
    for _ in range(3):
        suggested = study.ask()
        assert suggested is None or space.config(suggested.sampled)
    planned_baselines(spec.kind.baselines, space)
    assert SweepSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs")


@few
@given(text=mutants(TEXTS))
def test_mutated_trees(folder: Path, text: str) -> None:
    check(folder / "spec.yaml", text.encode(errors="surrogatepass"))


@few
@given(content=damaged_bytes(CONTENTS))
def test_mutated_bytes(folder: Path, content: bytes) -> None:
    check(folder / "spec.yaml", content)


@pytest.mark.slow
@many
@given(text=mutants(TEXTS))
def test_a_thousand_mutated_trees(folder: Path, text: str) -> None:
    check(folder / "spec.yaml", text.encode(errors="surrogatepass"))


@pytest.mark.slow
@many
@given(content=damaged_bytes(CONTENTS))
def test_a_thousand_times_mutated_bytes(folder: Path, content: bytes) -> None:
    check(folder / "spec.yaml", content)
