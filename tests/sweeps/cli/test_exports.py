from pathlib import Path

import pytest

from sweeps.home import run_file
from tests.sweeps.cli.finished import home_of
from tests.sweeps.command import Command
from trainer import read_tuned_margins


def lines(said: str) -> list[str]:
    """Return the notes of a terminal, each in one line."""
    return [" ".join(f"note:{each}".split()) for each in said.split("note:")[1:]]


@pytest.mark.parametrize(
    ("points", "pick", "said"),
    [
        (
            [(0.9, 0.006), (0.88, 0.004)],
            "knee",
            ": of what keeps the floor it is the best; a lower --recall-floor lets in more",
        ),
        ([(0.9, 0.006), (0.89, 0.007)], "knee", ": no margins beat it here"),
        ([(0.9, 0.006), (0.91, 0.005)], "0", ""),
    ],
    ids=["costs accuracy", "beats all", "asked for"],
)
def test_of_a_control_it_is_said_why(
    points: list[tuple[float, float]], pick: str, said: str, command: Command, tmp_path: Path
) -> None:
    home = home_of(tmp_path / "home", *points)
    words = ("export", "own", "--pick", pick, "-o", tmp_path / "margins.yaml")
    ran = command(*words, "--home", home.path)
    assert ran.code == 0, ran
    note = f"note: trial 0 is a control (TCM weight 0){said}"
    assert [line for line in lines(ran.err) if "is a control" in line] == [note]


def test_the_model_beside_the_margins_is_one_that_was_measured(
    command: Command, tmp_path: Path
) -> None:
    home, margins = home_of(tmp_path / "home", (0.8, 0.006), (0.9, 0.004)), tmp_path / "m.yaml"
    folder = home.kept("own")
    folder.mkdir(parents=True)
    words = ("export", "own", "--pick", 1, "-o", margins, "--home", home.path)
    run_file(folder, number=1, seed=7).write_bytes(b"of a run that died before it was recorded")
    assert command(*words).code == 0
    assert read_tuned_margins(margins).weights is None
    assert not (tmp_path / "m-model.pt").exists()
    run_file(folder, number=1, seed=0).write_bytes(b"recorded")
    ran = command(*words)
    assert "(the model of seed 0)" in ran.out
    assert read_tuned_margins(margins).weights == "m-model.pt"
    assert (tmp_path / "m-model.pt").read_bytes() == b"recorded"
