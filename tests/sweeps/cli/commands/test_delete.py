from io import StringIO

import pytest

from sweeps.store import open_store
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


class Terminal(StringIO):
    """A person at a terminal, and what they answer."""

    def isatty(self) -> bool:
        return True


def left(place: Place) -> list[str]:
    with open_store(f"sqlite:///{place.folder}/home/sweeps.db") as store:
        return [sweep.name for sweep in store.sweeps()]


def test_with_yes_nobody_is_asked(command: Command, place: Place) -> None:
    ran = command("delete", "tiny", "--yes", "--home", "home")
    assert (ran.code, ran.out, ran.err) == (0, "tiny is deleted\n", "")
    assert left(place) == []


@pytest.mark.parametrize(
    ("answer", "code", "names"), [("y\n", 0, []), ("n\n", 1, ["tiny"]), ("\n", 1, ["tiny"])]
)
def test_at_a_terminal_it_asks(
    command: Command,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    names: list[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    ran = command("delete", "tiny", "--home", "home")
    assert ran.code == code
    asked = "Delete tiny for good, its 0 trials with all their results and files? [y/N]:"
    assert asked in ran.err
    assert ("tiny is deleted" in ran.out) is (not names)
    assert left(place) == names


def test_without_a_terminal_it_refuses(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))
    ran = command("delete", "tiny", "--home", "home")
    said = "error: --yes: is needed where there is no terminal to ask at\n"
    assert (ran.code, ran.out, ran.err) == (2, "", said)
    assert left(place) == ["tiny"]


@pytest.mark.parametrize("words", [[], ["--yes"]])
def test_what_is_not_there_is_said(command: Command, place: Place, words: list[str]) -> None:
    del place
    ran = command("delete", "tony", "--home", "home", *words)
    said = "error: there is no sweep called 'tony'; there are: tiny\n"
    assert (ran.code, ran.out, ran.err) == (2, "", said)


def test_a_gone_mlflow_is_said(command: Command, place: Place) -> None:
    gone = ["--tracking-uri", "http://me:S3cret@127.0.0.1:9"]
    ran = command("delete", "tiny", "--yes", "--home", "home", *gone)
    assert (ran.code, ran.out) == (0, "tiny is deleted\n")
    assert ran.err.startswith("MLflow has its runs still, to be deleted there: ")
    assert ran.err.count("\n") == 1
    assert "S3cret" not in ran.err
    assert left(place) == []
