"""Tables and folders of images that list no data set."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

from .refusal import Case, cases, check_refused

ROWS = [(f"photos/class{k}/{i}.png", f"class{k}") for k in range(8) for i in range(2)]
Arguments = Callable[[Place], Sequence[object]]


def csv(rows: Sequence[Sequence[object]], header: str = "path,label") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def table(
    content: str | bytes | pd.DataFrame | None, name: str = "t.csv", **data: Any
) -> Arguments:
    """Return the command of a sweep over a table beside good images."""

    def arguments(place: Place) -> list[object]:
        place.images("photos")
        path = place.folder / name
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        elif content is None:
            path.mkdir()
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ["run", place.spec(data={"table": name, **data})]

    return arguments


def frame(paths: Sequence[object], labels: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame({"path": paths, "label": labels})


PATHS = [path for path, _ in ROWS]
LABELS = [label for _, label in ROWS]
SPLIT = "path,label,part"
PARTS = [(path, label, "train") for path, label in ROWS]

TABLES: list[Case] = [
    (
        "an absolute path",
        table(csv([("/etc/passwd", "a"), *ROWS])),
        "data.table: row 1 of ",
    ),
    (
        "a path that leaves the folder",
        table(csv([*ROWS, ("photos/../../x.png", "a")])),
        "names photos/../../x.png, which is not below ",
    ),
    ("a path to the folder", table(csv([(".", "a"), *ROWS])), "names ., which is not below "),
    (
        "a path beside its root",
        table(csv([("../t.csv", "a")]), root="photos"),
        "names ../t.csv, which is not below ",
    ),
    (
        "a root that there is not",
        table(csv([("class0/0.png", "a"), *ROWS]), root="nowhere"),
        "nowhere is not a folder",
    ),
    ("a missing file", table(csv([*ROWS, ("no.png", "class0")])), "no.png: there is no such file"),
    ("a file that is a folder", table(csv([*ROWS, ("photos", "class0")])), "photos: cannot be"),
    (
        "a line break in a path",
        table(csv([('"a\nb.png"', "class0"), *ROWS])),
        "a\\nb.png: there is",
    ),
    ("a null byte in a path", table(csv([("a\0b.png", "class0"), *ROWS])), "a\\x00b.png: cannot"),
    ("a duplicate row", table(csv([*ROWS, ROWS[0]])), "rows 1 and 17 of "),
    ("one file in two classes", table(csv([*ROWS, (PATHS[0], "x")])), "rows 1 and 17 of "),
    ("an empty label", table(csv([*ROWS, ("a.png", "")])), "t.csv has an empty 'label'"),
    ("a blank label", table(csv([*ROWS, ("a.png", "  ")])), "t.csv has an empty 'label'"),
    ("an empty path", table(csv([("", "a")])), "row 1 of "),
    ("a missing column", table(csv(ROWS, "path,class")), "has no column 'label', only path, class"),
    ("a column twice", table(csv(ROWS, "path,path")), "has several columns 'path'"),
    ("no rows", table("path,label\n"), "t.csv has no rows"),
    ("no header", table(""), "t.csv has no column 'path', only none"),
    ("another delimiter", table(csv(ROWS).replace(",", ";")), "has no column 'path', only path;la"),
    ("a row too long", table(csv([*ROWS, ("a.png", "b", "c")])), "row 17 of "),
    ("an open quote", table('path,label\n"a.png,b\n'), "t.csv cannot be read as CSV ("),
    ("Latin-1", table("path,label\né.png,a\n".encode("latin-1")), "t.csv cannot be read as CSV ("),
    ("UTF-16", table(csv(ROWS).encode("utf-16")), "t.csv cannot be read as CSV ("),
    ("control characters", table("pa\x1b[31mth\x07,label\n"), "only pa\\x1b[31mth\\x07, label"),
    ("another suffix", table(csv(ROWS), "t.tsv"), "t.tsv must end in .csv or .parquet"),
    ("a table that is a folder", table(None), "there is no file "),
    ("a link to itself", lambda p: _loop(p), "there is no file "),
    ("a name too long", lambda p: ["run", p.spec(data={"table": "x" * 300 + ".csv"})], "xxx.csv: "),
    (
        "an unknown split",
        table(csv([*PARTS, ("a.png", "x", "dev")], SPLIT), split_column="part"),
        "data.split_column: row 17 of ",
    ),
    (
        "a class in two splits",
        table(csv([*PARTS, ("a.png", "class0", "test")], SPLIT), split_column="part"),
        "puts class 'class0' into train and row 17 into test",
    ),
    (
        "one split only",
        table(csv(PARTS, SPLIT), split_column="part"),
        "data: each part needs at least 2 classes",
    ),
    ("no Parquet", table("PAR1 no", "t.parquet"), "t.parquet cannot be read as Parquet ("),
    (
        "a NaN label",
        table(frame([*PATHS, "a"], [*range(16), None]), "t.parquet"),
        "an empty 'label'",
    ),
    ("lists as labels", table(frame(PATHS, [[1]] * 16), "t.parquet"), "'label' of "),
    ("numbers as paths", table(frame(range(16), LABELS), "t.parquet"), "/0: there is no such file"),
    ("bytes as paths", table(frame([b"\xff"] * 16, LABELS), "t.parquet"), "'path' of "),
    ("Parquet without rows", table(frame([], []), "t.parquet"), "t.parquet has no rows"),
]


def _loop(place: Place) -> list[object]:
    (place.folder / "t.csv").symlink_to(place.folder / "t.csv")
    return ["run", place.spec(data={"table": "t.csv"})]


@cases(TABLES)
def test_bad_tables(command: Command, place: Place, arguments: Arguments, said: str) -> None:
    check_refused(command, arguments(place), said)


def folder(make: Callable[[Path], object], *, dry: bool = False, **data: Any) -> Arguments:
    """Return the command of a sweep over a folder."""

    def arguments(place: Place) -> list[object]:
        (place.folder / "photos").mkdir()
        make(place.folder / "photos")
        spec = place.spec(data={"folder": "photos", **data})
        return ["run", spec, *(["--dry-run"] if dry else [])]

    return arguments


def pictures(counts: Sequence[int]) -> Callable[[Path], None]:
    """Return what makes classes of so many images."""

    def make(root: Path) -> None:
        for number, count in enumerate(counts):
            (root / f"class{number}").mkdir()
            for image in range(count):
                (root / f"class{number}" / f"{image}.png").write_bytes(b"")

    return make


def nested(root: Path) -> None:
    (root / "a" / "b" / "c").mkdir(parents=True)


def unnamed(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9\x1b[2J")).mkdir()


FOLDERS: list[Case] = [
    ("no classes", folder(lambda _: None), "data.folder: "),
    ("one class", folder(pictures([9])), "data.split: each part needs at least 2 classes"),
    (
        "classes of one image",
        folder(pictures([1] * 20)),
        "but of the 20 classes of photos the parts",
    ),
    ("an empty class", folder(pictures([2, 2, 0])), "photos/class2 has no images"),
    ("empty folders in a class", folder(nested), "photos/a has no images"),
    ("only small classes", folder(pictures([2]), min_images_per_class=9), "data.min_images_per_cl"),
    ("an image beside classes", folder(lambda f: (f / "a.png").touch()), "a.png lies in "),
    ("a file beside classes", folder(lambda f: (f / "a.txt").touch()), "photos has no class fol"),
    ("a link to nothing", folder(lambda f: (f / "a").symlink_to("no")), "photos/a leads nowhere"),
    ("a link to itself", folder(lambda f: (f / "a").symlink_to(f / "a")), "photos/a leads nowhere"),
    ("an odd class", folder(unnamed), "photos/caf\\udce9\\x1b[2J has no images"),
    (
        "a file",
        lambda p: ["run", p.spec(data={"folder": "good.yaml"})],
        "good.yaml is not a folder",
    ),
    ("a null byte", lambda p: ["run", p.spec(data={"folder": "a\0b"})], "a\\x00b is not a folder"),
    (
        "a name too long",
        lambda p: ["run", p.spec(data={"folder": "x" * 300})],
        "file name too long",
    ),
    (
        "no such user",
        lambda p: ["run", p.spec(data={"folder": "~nobody1/x"})],
        "'~nobody1/x': ther",
    ),
    ("found by a dry run", folder(pictures([9]), dry=True), "data.split: each part needs at least"),
]


@cases(FOLDERS)
def test_bad_folders(command: Command, place: Place, arguments: Arguments, said: str) -> None:
    ran_dry = "--dry-run" in (given := arguments(place))
    if not ran_dry:
        check_refused(command, given, said)
        return
    ran = command(*given)  # which says what it can before
    assert ran.code == 2
    assert said in ran.err
