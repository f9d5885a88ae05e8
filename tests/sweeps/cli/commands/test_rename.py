import pytest

from sweeps.store import open_store
from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_a_sweep_is_renamed(command: Command, place: Place) -> None:
    ran = command("rename", "tiny", "small", "--home", "home")
    assert (ran.code, ran.out, ran.err) == (0, "tiny is called small now\n", "")
    with open_store(f"sqlite:///{place.folder}/home/sweeps.db") as store:
        assert [sweep.name for sweep in store.sweeps()] == ["small"]


def test_a_gone_mlflow_is_said(command: Command, place: Place) -> None:
    del place
    gone = ["--tracking-uri", "http://me:S3cret@127.0.0.1:9"]
    ran = command("rename", "tiny", "small", "--home", "home", *gone)
    assert (ran.code, ran.out) == (0, "tiny is called small now\n")
    assert ran.err.startswith("MLflow is not level with the store: ")
    assert ran.err.endswith("; `sweeps replay small` brings it level\n")
    assert ran.err.count("\n") == 1
    assert "S3cret" not in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tony", "small"], "there is no sweep called 'tony'; there are: tiny"),
        (["tiny", "tiny"], "a sweep called 'tiny' exists already: choose another name"),
        (["tiny", "a/b"], "'a/b' must begin with a letter or digit, and be up to 64 letters"),
        (["tiny", "x" * 99], "must begin with a letter or digit, and be up to 64 letters"),
    ],
)
def test_a_bad_name_ends_in_one_sentence(
    command: Command, place: Place, words: list[str], said: str
) -> None:
    del place
    ran = command("rename", *words, "--home", "home")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert command("status", "tiny", "--home", "home").code == 0
