import json
from pathlib import Path

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command


def listed(command: Command, *words: str) -> list[str]:
    ran = command("list", "--home", "home", "--json", *words)
    assert ran.code == 0
    return [sweep["name"] for sweep in json.loads(ran.out)]


def test_an_archived_sweep_is_listed_on_demand(command: Command, place: Place) -> None:
    del place
    ran = command("archive", "tiny", "--home", "home")
    assert (ran.code, ran.out, ran.err) == (0, "tiny is archived\n", "")
    assert listed(command) == []
    assert listed(command, "--all") == ["tiny"]
    assert "tiny" not in command("list", "--home", "home").out
    assert "RUNNING (archived)" in command("list", "--home", "home", "--all").out
    assert command("status", "tiny", "--home", "home").code == 0
    ran = command("archive", "tiny", "--undo", "--home", "home")
    assert (ran.code, ran.out, ran.err) == (0, "tiny is listed again\n", "")
    assert listed(command) == ["tiny"]


def test_what_is_not_there_is_said(command: Command, place: Place, tmp_path: Path) -> None:
    del place
    ran = command("archive", "tony", "--home", "home")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no sweep called 'tony'; there are: tiny\n"
    ran = command("archive", "tiny", "--home", tmp_path / "none")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: no sweeps yet: ")
