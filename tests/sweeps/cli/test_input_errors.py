import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

import sweeps.execution.run
from tests.sweeps.command import Command

from .place import Place


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def corrupt(place: Place) -> Path:
    folder = place.images("corrupt")
    (folder / "class3" / "0.png").write_bytes(b"no image")
    return folder


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


ROWS = np.eye(4, dtype=np.float32)
Arguments = Callable[[Place], list[object]]
HOME = ["--home", "home"]
SIMULATED: dict[str, Any] = {
    "workload": "simulated",
    "data": None,
    "objectives": ["accuracy", "inconsistency"],
    "space": {"trade": {"low": 0, "high": 1}},
    "trial": {},
}
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
    ("no name", lambda p: ["run", p.spec(name=None)], "bad.yaml: name: must be a text, not None"),
    (
        "data is null",
        lambda p: ["run", p.spec(data=None)],
        "bad.yaml: data: must be a mapping, not None",
    ),
    (
        "scoring is null",
        lambda p: ["run", p.spec(scoring=None)],
        "bad.yaml: scoring: must be a mapping, not None",
    ),
    (
        "nothing to export",
        lambda p: ["run", p.spec(**SIMULATED), "--export", "margins.yaml"],
        "--export: the workload of this spec exports nothing",
    ),
    (
        "what the user wrote",
        lambda p: ["run", p.spec(), "--tracking-uri", "a tracking_uri b"],
        "--tracking-uri (MLFLOW_TRACKING_URI): 'a tracking_uri b' must begin with one of",
    ),
    (
        "a password for MLflow",
        lambda p: ["run", p.spec(), "--tracking-uri", "postgres://me:S3cret@host/db"],
        "--tracking-uri (MLFLOW_TRACKING_URI): 'postgres://me:***@host/db' must begin with one of",
    ),
    (
        "a password for the store",
        lambda _: ["list", "--store", "postgres://me:S3cret@host/db?password=S3cret"],
        "cannot open postgres://me:***@host/db: ",
    ),
    (
        "a password for a server",
        lambda _: ["ui", "--tracking-uri", "https://me:S3cret@host"],
        "https://me:***@host is a server",
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
        "a sweep called 'tiny' exists already and is not finished (RUNNING): ",
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
    command: Command,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Arguments,
    said: str,
) -> None:
    # What is wrong here is not for Ray to say.
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: nullcontext())
    given = arguments(place)
    before = snapshot(place.folder)
    ran = command(*given)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n", ran.err)
    assert said in ran.err
    assert "S3cret" not in ran.err
    assert snapshot(place.folder) == before


def test_of_a_file_that_cannot_be_decoded_the_ones_before_it_are_kept(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps.execution.run, "ray_cluster", lambda *_: nullcontext())
    before = snapshot(place.folder)
    folder = corrupt(place)
    ran = command("run", place.spec(data={"folder": str(folder)}))
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(
        r"error: \S*corrupt/class3/0\.png: cannot be read as an image \([^\n]+\)\n", ran.err
    )
    left = snapshot(place.folder).keys() - before.keys()
    elsewhere = {name for name in left if not name.startswith((".sweeps/cache", "corrupt"))}
    assert elsewhere == {".sweeps", "bad.yaml"}


@pytest.mark.parametrize(
    "raised", [ConnectionError("nobody\nthere"), SystemExit(15), ValueError("not an address")]
)
def test_what_ray_refuses_is_one_line_and_leaves_no_file(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(ray, "init", refuse)
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
