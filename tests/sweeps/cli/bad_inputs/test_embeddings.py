"""Embeddings that cannot be scored."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command

from .refusal import Case, cases, check_refused

Arguments = Callable[[Place], Sequence[object]]
ROWS = np.eye(6, dtype=np.float32) + np.float32(0.1)
LABELS = np.arange(6) // 3


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('run')",)


def npz(**arrays: Any) -> Arguments:
    """Return the command that scores these arrays, good ones where none are given."""
    return lambda place: ["score", place.arrays(**{"embeddings": ROWS, "labels": LABELS, **arrays})]


def held(name: str, content: bytes | None) -> Arguments:
    """Return the command that scores a file of this content, or a folder."""

    def arguments(place: Place) -> list[object]:
        path = place.folder / name
        path.mkdir() if content is None else path.write_bytes(content)
        return ["score", path, *([path] if path.suffix == ".npy" else [])]

    return arguments


def parquet(**columns: Any) -> Arguments:
    """Return the command that scores these columns."""

    def arguments(place: Place) -> list[object]:
        pd.DataFrame(columns).to_parquet(place.folder / "e.parquet")
        return ["score", place.folder / "e.parquet"]

    return arguments


def saved(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=True)
    return out.getvalue()


def packed(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    """Return the beginning of an array that says of itself what it likes."""
    said = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said


GOOD = packed(embeddings=saved(ROWS), labels=saved(LABELS))
VECTORS = [[1.0, 2.0]] * 3

BAD: list[Case] = [
    ("one row as a vector", npz(embeddings=ROWS[0]), "embeddings must be an N x D array of floats"),
    ("three axes", npz(embeddings=ROWS[None]), "embeddings must be an N x D array of floats"),
    ("no axis", npz(embeddings=np.float32(1)), "embeddings must be an N x D array of floats"),
    ("no rows", npz(embeddings=ROWS[:0], labels=LABELS[:0]), "embeddings must not be empty"),
    ("no columns", npz(embeddings=ROWS[:, :0]), "embeddings must not be empty"),
    ("Python objects", npz(embeddings=ROWS.astype(object)), "embeddings are Python objects"),
    ("objects as labels", npz(labels=LABELS.astype(object)), "labels are Python objects"),
    ("a pickle", held("e.npz", pickle.dumps(Harmful())), "e.npz: is not an .npz file of plain"),
    ("a harmful array", held("e.npy", saved(np.array([Harmful()]))), "embeddings are Python objec"),
    ("infinity", npz(embeddings=np.where(ROWS > 1, np.inf, ROWS)), "row 0 holds NaN or infinity"),
    ("NaN", npz(embeddings=np.where(ROWS > 1, np.nan, ROWS)), "row 0 holds NaN or infinity"),
    ("zeros", npz(embeddings=ROWS * 0), "embeddings.npz: "),
    ("a row of zeros", npz(embeddings=ROWS * (LABELS == 0)[:, None]), "embeddings.npz: "),
    ("integers", npz(embeddings=ROWS.astype(int)), "must be an N x D array of floats, not (6, 6)"),
    ("complex numbers", npz(embeddings=ROWS.astype(complex)), "of complex128"),
    ("truth values", npz(embeddings=ROWS > 1), "of bool"),
    ("texts", npz(embeddings=ROWS.astype(str)), "must be an N x D array of floats"),
    ("a structure", npz(embeddings=np.zeros(6, "f4,f4")), "must be an N x D array of floats"),
    (
        "too few labels",
        npz(labels=LABELS[:5]),
        "labels must be 6, one for each embedding, not (5,)",
    ),
    ("a matrix of labels", npz(labels=LABELS[:, None]), "labels must be 6, one for each embedding"),
    ("complex labels", npz(labels=LABELS * 1j), "labels must be integers or texts, not complex128"),
    ("a label of NaN", npz(labels=np.array([0, 0, 1, 1, 1, np.nan])), "labels: row 5 holds NaN"),
    ("two names", npz(embedding=ROWS), "there are both 'embeddings' and 'embedding'; say which wi"),
    ("a truncated archive", held("e.npz", GOOD[: len(GOOD) // 2]), "e.npz: is not an .npz file of"),
    ("flipped bytes", held("e.npz", GOOD[:80] + b"\xff\0\xff\0" + GOOD[84:]), "e.npz: "),
    ("a truncated array", held("e.npy", saved(ROWS)[:-1]), "e.npy: embeddings: the file ends too"),
    ("nothing", held("e.npz", b""), "e.npz: is not an .npz file of plain arrays"),
    ("no magic", held("e.npy", b"abc"), "e.npy: is not an .npy file of a plain array"),
    ("a folder", held("e.npz", None), "e.npz: cannot be read (Is a directory)"),
    ("a header that runs", held("e.npy", header("__import__('os')")), "e.npy: is not an .npy file"),
    ("a negative shape", held("e.npy", header("(-1, 4)")), "e.npy: "),
    ("an endless shape", held("e.npy", header("(10**9, 4)")), "e.npy: "),
    (
        "a shape beyond the file",
        held("e.npy", header("(999999999, 64)")),
        "the file ends too early",
    ),
    ("values of no size", held("e.npy", header("(9, 9)", "'|V0'")), "must be an N x D array of fl"),
    (
        "a bomb",
        held("e.npz", packed(embeddings=header("(99999999, 64)") + bytes(10**6), labels=b"")),
        "e.npz: embeddings: the file ends too early",
    ),
    ("no Parquet", held("e.parquet", b"PAR1"), "e.parquet: cannot be read as Parquet ("),
    ("a folder of Parquet", held("e.parquet", None), "e.parquet: cannot be read (Is a directory)"),
    ("ragged lists", parquet(embedding=[[1.0], [1.0, 2.0]], label=[0, 0]), "row 1 has 2 values"),
    ("a null", parquet(embedding=[*VECTORS, None], label=[0, 0, 1, 1]), "e.parquet: "),
    (
        "a null in a list",
        parquet(embedding=[[1.0, None]] * 3, label=[0, 0, 1]),
        "e.parquet: embedd",
    ),
    ("a null label", parquet(embedding=VECTORS, label=["a", None, "b"]), "label: row 1 is null"),
    ("lists of texts", parquet(embedding=[["a"]] * 3, label=[0, 0, 1]), "must be lists of floats"),
    ("numbers", parquet(embedding=[1.0, 2.0], label=[0, 0]), "embedding must be lists of floats"),
    (
        "lists as labels",
        parquet(embedding=VECTORS, label=VECTORS),
        "label must be integers or text",
    ),
    ("other columns", parquet(a=[1], b=[2]), "there is no column 'embeddings' or 'embedding'; it"),
    ("odd columns", parquet(**{"a\x1b[2J\n": [1]}), "it holds a\\x1b[2J"),
    ("a CSV", held("e.csv", b"0.1,0.2,a\n"), "e.csv: embeddings are read from .npz files, pairs"),
    ("a name too long", lambda _: ["score", "x" * 300 + ".npz"], "cannot be read (File name too"),
    ("a null device", lambda _: ["score", "/dev/null"], "/dev/null: embeddings are read from"),
    ("a name not in UTF-8", held(os.fsdecode(b"\xff.npz"), b""), "\\udcff.npz: is not an .npz"),
    ("no such column", lambda p: [*npz()(p), "--label-column", "x\n"], "there is no array 'x\\n'"),
    ("a NaN threshold", lambda p: [*npz()(p), "--far-min", "nan"], "--far-min (nan)"),
    ("an endless threshold", lambda p: [*npz()(p), "--d-min", "0", "--d-max", "inf"], "--d-max"),
]


@cases(BAD)
def test_bad_embeddings(command: Command, place: Place, arguments: Arguments, said: str) -> None:
    check_refused(command, arguments(place), said)


@pytest.mark.parametrize(
    "arrays",
    [
        {"embeddings": ROWS.astype(np.float16)},
        {"embeddings": ROWS.astype(">f8")},
        {"labels": LABELS.astype(np.uint64)},
        {"labels": np.array(["é", "a\n", "\x1b", "é", "a\n", "\x1b"])},
        {"labels": np.zeros(6, int)},
        {"labels": np.arange(6)},
    ],
    ids=["float16", "another order", "unsigned", "odd names", "one class", "classes of one"],
)
def test_odd_embeddings_are_scored(
    command: Command, place: Place, arrays: dict[str, Any], tmp_path: Path
) -> None:
    ran = command(*npz(**arrays)(place), "--per-class", tmp_path / "classes.csv")
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
