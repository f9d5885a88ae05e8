"""Names of the package, imported when they are asked for and not before."""

import subprocess
import sys

import pytest

import objectives


def test_every_name_is_there() -> None:
    assert {name for name in objectives.__all__ if not hasattr(objectives, name)} == set()
    assert set(objectives.__all__) <= set(dir(objectives))


@pytest.mark.parametrize(
    "use",
    [
        "objectives.front_ranks([(0.5, 0.1)], objectives.objective_pair(['opis', 'opis_10'], {}))",
        "from objectives import Calibration, InputError, Progress, hypervolume, ignore_progress",
    ],
)
def test_fronts_and_objectives_need_no_torch(use: str) -> None:
    check = "assert not {'torch', 'numpy', 'numba'} & set(sys.modules)"
    code = f"import sys, objectives\n{use}\n{check}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scoring_needs_no_numba_before_it_compiles() -> None:
    code = "import sys, objectives\nobjectives.score_embeddings\nassert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
