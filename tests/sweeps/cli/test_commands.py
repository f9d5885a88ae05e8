import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

import sweeps.execution.cluster
import sweeps.execution.run
from sweeps.cli import app
from sweeps.execution import FinishedSweep
from sweeps.home import Home
from sweeps.results import ranked_trials
from sweeps.store import Store
from trainer import read_tuned_margins

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Help


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_what_each_option_is_for(command: Any, name: str) -> None:
    ran = command(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(rf"Usage: .* {name} ", ran.out)
    options = [param for param in COMMANDS[name].params if param.name != "help"]
    assert [param.name for param in options if not getattr(param, "help", None)] == []
    assert COMMANDS[name].help


def test_help_lists_the_commands(command: Any) -> None:
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


# Bad input


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a bad command is tried: a folder with a good spec and a store of one sweep."""

    folder: Path

    def spec(self, **changes: Any) -> Path:
        raw = yaml.safe_load((self.folder / "good.yaml").read_text()) | changes
        return self.write("bad.yaml", yaml.safe_dump(raw))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def images(self, names: str, *, classes: int = 8, empty: bool = False) -> Path:
        for number in range(classes):
            folder = self.folder / names / f"class{number}"
            folder.mkdir(parents=True)
            for image in range(0 if empty else 2):
                Image.new("RGB", (9, 9), (number, image, 0)).save(folder / f"{image}.png")
        return self.folder / names

    def make(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def arrays(self, **arrays: Any) -> Path:
        path = self.folder / "embeddings.npz"
        np.savez(path, **arrays)
        return path


@pytest.fixture
def place(here: Path, command: Any) -> Place:
    (here / "good.yaml").write_text(command.tiny)
    store = Store.open(f"sqlite:///{here / 'home' / 'sweeps.db'}")
    store.create_sweep(
        "tiny", spec={"data": {}, "objectives": ["recall_at_1", "opis"]}, provenance={}
    )
    store.close()
    return Place(folder=here)


def corrupt(place: Place) -> Path:
    folder = place.images("corrupt")
    (folder / "class3" / "0.png").write_bytes(b"no image")
    return folder


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


ROWS = np.eye(4, dtype=np.float32)
RUN = ("run",)
Arguments = Callable[[Place], list[object]]
HOME = ["--home", "home"]
BAD: list[tuple[str, Arguments, str]] = [
    ("no spec", lambda _: ["run", "no.yaml"], "no.yaml: cannot be read (No such file or direct"),
    ("spec is a folder", lambda p: ["run", p.folder], ": cannot be read (Is a directory)"),
    ("unknown key", lambda p: ["run", p.spec(sapce={})], "bad.yaml: sapce: unknown key"),
    (
        "inverted margins",
        lambda p: ["run", p.spec(space={"margin_positive": {"low": 0.1, "high": 0.3}})],
        "bad.yaml: margin_positive: must be greater than margin_negative by 0.01 or more",
    ),
    (
        "batch size",
        lambda p: ["run", p.spec(trial={"batch_size": 30})],
        "bad.yaml: batch_size: 30 is not a multiple of samples_per_class (4)",
    ),
    (
        "objectives",
        lambda p: ["run", p.spec(objectives=["opis", "f1"])],
        "bad.yaml: objectives: 'f1' is not one of recall_at_1, map_at_r, opis, opis_10",
    ),
    (
        "name",
        lambda p: ["run", p.spec(), "--name", "a b"],
        "--name: name: 'a b' must begin with a letter or digit",
    ),
    (
        "classes for a batch",
        lambda p: ["run", p.spec(trial={"batch_size": 64})],
        "batch_size: a batch of this space can need 16 classes (batch_size / samples_per_class), "
        "the training split has 5",
    ),
    (
        "classes for the split",
        lambda p: ["run", p.spec(data={"folder": str(p.images("few", classes=3))})],
        "classes",
    ),
    (
        "no folder",
        lambda p: ["run", p.spec(data={"folder": "nowhere"})],
        "nowhere is not a folder",
    ),
    (
        "empty folder",
        lambda p: ["run", p.spec(data={"folder": str(p.make("none"))})],
        "none has no class folders",
    ),
    (
        "empty class",
        lambda p: ["run", p.spec(data={"folder": str(p.images("hollow", empty=True))})],
        "hollow/class0 has no images",
    ),
    (
        "corrupt image",
        lambda p: ["run", p.spec(data={"folder": str(corrupt(p))})],
        "corrupt/class3/0.png: cannot be read as an image",
    ),
    (
        "table",
        lambda p: ["run", p.spec(data={"table": str(p.write("t.csv", "file,label\na.png,a\n"))})],
        "t.csv has no column 'path', only file, label",
    ),
    (
        "backbone",
        lambda p: ["run", p.spec(trial={"backbone": "resnet_50", "batch_size": 16})],
        "backbone: timm has no model 'resnet_50'",
    ),
    (
        "taken name",
        lambda p: ["run", p.spec(), *HOME],
        "a sweep called 'tiny' exists already: ",
    ),
    (
        "nothing listens",
        lambda p: ["run", p.spec(), "--address", f"127.0.0.1:{closed_port()}"],
        "--address: nothing answers at '127.0.0.1:",
    ),
    (
        "address",
        lambda p: ["run", p.spec(), "--address", "127.0.0.1:99999"],
        "--address: nothing answers at '127.0.0.1:99999'",
    ),
    (
        "address of Ray Client",
        lambda p: ["run", p.spec(), "--address", "ray://127.0.0.1:10001"],
        "--address: 'ray://127.0.0.1:10001' is for Ray Client; give host:port of the cluster",
    ),
    (
        "tracking URI",
        lambda p: ["run", p.spec(), "--tracking-uri", "foo://bar"],
        "--tracking-uri (MLFLOW_TRACKING_URI): 'foo://bar' must begin with one of http://, ",
    ),
    (
        "images too small for the backbone",
        lambda p: ["run", p.spec(trial={"backbone": "test_convnext", "batch_size": 16})],
        "backbone: 'test_convnext' does not take images of 8 x 8 pixels (",
    ),
    (
        "export into no folder",
        lambda p: ["run", p.spec(), "--export", "no/margins.yaml"],
        "--export: no/margins.yaml cannot be written (No such file or directory)",
    ),
    (
        "export onto a folder",
        lambda p: ["run", p.spec(), "--export", p.folder],
        "cannot be written",
    ),
    (
        "store URL of a run",
        lambda p: ["run", p.spec(), "--store", "nonsense"],
        "store: 'nonsense' is not a database URL such as sqlite:///sweeps.db",
    ),
    (
        "home is a file",
        lambda p: ["run", p.spec(), "--home", "good.yaml"],
        "good.yaml",
    ),
    ("no store", lambda _: ["list"], "no sweeps yet: "),
    ("no store for status", lambda _: ["status", "tiny"], "no sweeps yet: "),
    ("no store for ui", lambda _: ["ui"], "--home: .sweeps has no sweeps yet; "),
    (
        "store URL",
        lambda _: ["list", "--store", "nonsense"],
        "store: 'nonsense' is not a database URL such as sqlite:///sweeps.db",
    ),
    (
        "store of another kind",
        lambda _: ["list", "--store", "oracle7://host/db"],
        "store: cannot open oracle7://host/db: there is no database of that kind",
    ),
    (
        "store is no database",
        lambda _: ["list", "--store", "sqlite:///good.yaml"],
        "store: cannot open sqlite:///good.yaml: ",
    ),
    ("unknown sweep", lambda _: ["status", "tony", *HOME], "tony"),
    ("unknown front", lambda _: ["front", "tony", *HOME], "tony"),
    ("unknown export", lambda _: ["export", "tony", "-o", "m.yaml", *HOME], "tony"),
    (
        "nothing to export",
        lambda _: ["export", "tiny", "-o", "m.yaml", *HOME],
        "tiny: no trial has completed, so there is nothing to export",
    ),
    (
        "front onto a file",
        lambda _: ["front", "tiny", "--output", "good.yaml", *HOME],
        "--output: good.yaml cannot be written (File exists)",
    ),
    ("no arrays", lambda _: ["score", "no.npz"], "no.npz: cannot be read (No such file"),
    (
        "missing array",
        lambda p: ["score", p.arrays(embeddings=ROWS)],
        "embeddings.npz: there is no array 'labels' or 'label'; it holds embeddings",
    ),
    (
        "NaN",
        lambda p: ["score", p.arrays(embeddings=ROWS * np.nan, labels=[0, 0, 1, 1])],
        "embeddings.npz: embeddings: row 0 holds NaN or infinity",
    ),
    (
        "zeros",
        lambda p: ["score", p.arrays(embeddings=ROWS * 0, labels=[0, 0, 1, 1])],
        "embeddings",
    ),
    (
        "one embedding",
        lambda p: ["score", p.arrays(embeddings=ROWS[:1], labels=[0])],
        "embeddings",
    ),
    (
        "calibration",
        lambda p: ["score", p.arrays(embeddings=ROWS, labels=[0, 0, 1, 1]), "--far-min", "0.5"],
        "--far-min (0.5) and --far-max (0.1) must satisfy 0 < --far-min < --far-max < 1",
    ),
    (
        "too few thresholds",
        lambda p: ["score", p.arrays(embeddings=ROWS, labels=[0, 0, 1, 1]), "--thresholds", "9"],
        "--thresholds (9) must lie between 101 and 10001",
    ),
    (
        "half a range",
        lambda p: ["score", p.arrays(embeddings=ROWS, labels=[0, 0, 1, 1]), "--d-min", "1"],
        "--d-min and --d-max must be given together",
    ),
    (
        "operating FAR",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--operating-far", "1"],
        "--operating-far (1.0) must lie between 0 and 1",
    ),
    (
        "unknown suffix",
        lambda _: ["score", "good.yaml"],
        "good.yaml: embeddings are read from .npz files, pairs of .npy files and .parquet files",
    ),
    (
        "per-class into nowhere",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--per-class", "no/classes.csv"],
        "--per-class: no/classes.csv cannot be written (No such file or directory)",
    ),
    (
        "plot onto a folder",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--plot", p.make("a.png")],
        "a.png cannot be written",
    ),
    (
        "classes of another kind",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--per-class", "a.txt"],
        "--per-class: a.txt must end in .csv",
    ),
    (
        "plot of another kind",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--plot", "a.gif"],
        "--plot: a.gif must end in one of .png, .svg, .pdf",
    ),
    (
        "a device of another machine",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--device", "cuda:99"],
        "--device: this machine has no 'cuda:99'",
    ),
    (
        "a device of no machine",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--device", "abacus"],
        "--device: this machine has no 'abacus'",
    ),
    (
        "a device that computes nothing",
        lambda p: ["score", p.arrays(embeddings=ROWS), "--device", "meta"],
        "--device: 'meta' is neither cpu nor cuda",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "said"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD]
)
def test_bad_input_is_one_line_and_exit_code_2(
    command: Any,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Arguments,
    said: str,
) -> None:
    # What is wrong here shows before Ray is asked for anything.
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: nullcontext())
    given = arguments(place)
    before = snapshot(place.folder)
    ran = command(*given)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n", ran.err)
    assert said in ran.err
    assert snapshot(place.folder) == before


@pytest.mark.parametrize(
    "raised", [ConnectionError("nobody\nthere"), SystemExit(15), ValueError("not an address")]
)
def test_what_ray_refuses_is_one_line_and_leaves_no_file(
    command: Any, place: Place, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(sweeps.execution.cluster.ray, "init", refuse)
    before = snapshot(place.folder)
    ran = command("run", place.folder / "good.yaml", "--address", "auto")
    assert ran.code == 2
    assert re.fullmatch(r"error: --address: no Ray at 'auto' [^\n]+\n", ran.err)
    assert snapshot(place.folder) == before


@pytest.mark.usefixtures("place")
def test_the_installed_command_says_one_line() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("sweeps"), "status", "tony", "--home", "home"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(r"error: [^\n]*'tony'[^\n]*\n", ran.stderr)


def test_an_unforeseen_error_keeps_its_traceback(
    command: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a programming error")

    monkeypatch.setattr(sweeps.execution.run, "check_address", broken)
    with pytest.raises(ValueError, match="a programming error"):
        command("run", place.folder / "good.yaml")


# A sweep that a real Ray has carried out


def test_run_shows_the_front_and_its_files(tiny: Any) -> None:
    assert tiny.ran.code == 0
    # Of so few epochs the knee may be a control, and then a note says so.
    assert re.fullmatch(r"(?:note: trial \d is a control [^\n]+\n)?", tiny.ran.err)
    assert "Ray" not in tiny.ran.out
    for name in ("front.json", "front.csv", "front.html", "front.png", "margins.yaml"):
        assert name in tiny.ran.out
    assert re.search(r"\d of \d finished trials on the front", tiny.ran.out)
    assert len(re.findall(r"^trial \d (?:COMPLETE|FAILED) ", tiny.ran.out, re.MULTILINE)) == 5


def test_list(command: Any, tiny: Any) -> None:
    [sweep] = json.loads(command("list", "--home", tiny.home, "--json").out)
    assert (sweep["name"], sweep["state"]) == ("tiny", "COMPLETE")
    assert sum(sweep["trials"].values()) == 5
    assert set(sweep["trials"]) == {"COMPLETE", "FAILED"}
    assert sweep["spec"]["budget"]["trials"] == 3
    assert re.search(r"tiny .* COMPLETE .* digits ", command("list", "--home", tiny.home).out)


def test_status(command: Any, tiny: Any) -> None:
    found = json.loads(command("status", "tiny", "--home", tiny.home, "--json").out)
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3, 4]
    assert {trial["epoch"] for trial in found["trials"] if trial["state"] == "COMPLETE"} == {2}
    shown = command("status", "tiny", "--home", tiny.home).out
    assert "the training loss is not finite at epoch 1" in shown


def test_front(command: Any, tiny: Any, tmp_path: Path) -> None:
    ran = command("front", "tiny", "--home", tiny.home, "--json", "--output", tmp_path / "front")
    document = json.loads(ran.out)
    assert document == json.loads((tmp_path / "front" / "front.json").read_text())
    assert document == json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    members = [trial["number"] for trial in document["trials"] if trial["rank"] == 0]
    assert document["knee"] in members
    shown = command("front", "tiny", "--home", tiny.home).out
    everything = command("front", "tiny", "--home", tiny.home, "--all").out
    added = len(everything.splitlines()) - len(shown.splitlines())
    assert added == len(document["trials"]) - len(members)


def test_export(command: Any, tiny: Any, tmp_path: Path) -> None:
    document = json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    best = {
        "knee": document["knee"],
        "recall": max(document["trials"], key=lambda t: t["values"]["recall_at_1"])["number"],
        "consistency": min(document["trials"], key=lambda t: t["values"]["opis"])["number"],
    }
    for pick, number in best.items():
        path = tmp_path / f"{pick}.yaml"
        ran = command("export", "tiny", "-o", path, "--pick", pick, "--home", tiny.home)
        assert ran.code == 0
        # What so few epochs come to may make the best trial a control.
        assert re.search(rf"\(trial {number}, {pick}: (?:margin_positive |a control)", ran.out)
        assert read_tuned_margins(path).trial == number
    ran = command("export", "tiny", "-o", tmp_path / "x", "--pick", "best", "--home", tiny.home)
    assert (ran.code, ran.err) == (
        2,
        "error: --pick: 'best' is not one of knee, recall, recall_at_1, consistency, opis, "
        "nor a trial's number\n",
    )
    ran = command("export", "tiny", "-o", tmp_path / "no" / "x", "--home", tiny.home)
    assert ran.code == 2
    assert "no/x: cannot be written (No such file or directory)" in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {f"{pick}.yaml" for pick in best}


def test_run_prints_json_alone_when_asked(
    command: Any, tiny: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = json.loads((tiny.home / "fronts" / "tiny" / "front.json").read_text())
    with closing(Store.open(Home(path=tiny.home).store_url, create=False)) as store:
        finished = FinishedSweep(ranked=ranked_trials(store, "tiny"), files=(), mirror_error=None)

    def carried_out(*_: Any, callbacks: Any, **__: Any) -> FinishedSweep:
        [live_view] = callbacks
        live_view._console.print("for people")
        return finished

    monkeypatch.setattr(sweeps.execution, "run_sweep", carried_out)
    ran = command("run", place.spec(), "--json", "--home", tiny.home)
    assert ran.code == 0
    assert json.loads(ran.out) == front
    assert "for people" in ran.err
    assert "Browse it in MLflow" in ran.err


def test_looking_at_a_sweep_loads_neither_timm_nor_ray_nor_mlflow() -> None:
    code = "import sys, sweeps.cli.output; print([m for m in HEAVY if m in sys.modules])"
    heavy = repr(("timm", "ray", "mlflow", "optuna"))
    command = [sys.executable, "-c", code.replace("HEAVY", heavy)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
