import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectives import InputError
from sweeps.embeddings import numpy_files, read_embeddings

from .arrays import BAD, LABELS, ROWS, TORCH, npy, pair, save


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ">f8"])
def test_floats_keep_their_values(tmp_path: Path, dtype: str) -> None:
    read = read_embeddings(save(tmp_path, embeddings=ROWS.astype(dtype), labels=LABELS))
    assert read.embeddings.tolist() == ROWS.tolist()
    assert read.embeddings.dtype == TORCH[np.dtype(dtype).itemsize]
    assert read.labels.tolist() == [3, 3, 7, 7]
    assert read.labels.dtype == torch.int64
    assert read.class_names is None
    assert read.class_name(7) == "7"


def test_compressed_and_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "compressed.npz"
    np.savez_compressed(path, labels=LABELS, more=np.zeros(3), embeddings=np.asfortranarray(ROWS))
    assert read_embeddings(path).embeddings.tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (["b", "a", "b", "c"], [1, 0, 1, 2], ("a", "b", "c")),
        ([b"x", b"x", b"y\xff", b"y\xff"], [0, 0, 1, 1], ("x", "y\N{REPLACEMENT CHARACTER}")),
        ([True, False, True, True], [1, 0, 1, 1], ("False", "True")),
        ([0.5, 0.25, 0.5, 7.0], [1, 0, 1, 2], ("0.25", "0.5", "7.0")),
        (np.array([5, 5, 9, 9], dtype=">u2"), [5, 5, 9, 9], None),
        (np.array([-1, 0, 1, -1], dtype=np.int8), [-1, 0, 1, -1], None),
        (np.array([2**63, 5, 5, 10], dtype=np.uint64), [2, 0, 0, 1], ("5", "10", str(2**63))),
    ],
)
def test_labels_of_any_type(
    tmp_path: Path, labels: Any, numbers: list[int], names: tuple[str, ...] | None
) -> None:
    read = read_embeddings(save(tmp_path, embeddings=ROWS, labels=np.asarray(labels)))
    assert read.labels.tolist() == numbers
    assert read.class_names == names
    if names:
        assert [read.class_name(number) for number in range(len(names))] == list(names)


def test_other_names(tmp_path: Path) -> None:
    path = save(tmp_path, embedding=ROWS, label=LABELS, features=ROWS + 1, kinds=LABELS + 1)
    assert read_embeddings(path).embeddings.tolist() == ROWS.tolist()
    read = read_embeddings(path, embedding_column="features", label_column="kinds")
    assert read.embeddings.tolist() == (ROWS + 1).tolist()
    assert read.labels.tolist() == [4, 4, 8, 8]
    with pytest.raises(InputError, match="there is no array 'x'; it holds embedding, label, feat"):
        read_embeddings(path, embedding_column="x")
    path = save(tmp_path, embedding=ROWS, embeddings=ROWS, labels=LABELS)
    with pytest.raises(InputError, match="both 'embeddings' and 'embedding'; say which"):
        read_embeddings(path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"embeddings": ROWS}, "there is no array 'labels' or 'label'; it holds embeddings"),
        (
            {"labels": LABELS, "x": ROWS},
            "there is no array 'embeddings' or 'embedding'; it holds labels, x",
        ),
        ({}, "there is no array 'embeddings' or 'embedding'; it holds none"),
        (
            {"embeddings": ROWS[0], "labels": LABELS},
            "embeddings must be an N x D array of floats, not (3,) of float32",
        ),
        (
            {"embeddings": ROWS.astype(int), "labels": LABELS},
            "embeddings must be an N x D array of floats, not (4, 3) of int64",
        ),
        (
            {"embeddings": ROWS.astype(np.longdouble), "labels": LABELS},
            "embeddings must be an N x D array of floats, not (4, 3) of ",
        ),
        (
            {"embeddings": ROWS, "labels": LABELS[:3]},
            "labels must be 4, one for each embedding, not (3,)",
        ),
        (
            {"embeddings": ROWS, "labels": LABELS[:, None]},
            "labels must be 4, one for each embedding, not (4, 1)",
        ),
        ({"embeddings": BAD, "labels": LABELS}, "embeddings: row 2 holds NaN or infinity"),
        (
            {"embeddings": np.asfortranarray(BAD), "labels": LABELS},
            "embeddings: row 2 holds NaN or infinity",
        ),
        (
            {"embeddings": ROWS, "labels": np.array([0, 1, np.nan, 1])},
            "labels: row 2 holds NaN",
        ),
        (
            {"embeddings": ROWS, "labels": LABELS * 1j},
            "labels must be integers or texts, not complex128",
        ),
        (
            {"embeddings": ROWS * 1j, "labels": LABELS},
            "embeddings must be an N x D array of floats, not (4, 3) of complex64",
        ),
        (
            {"embeddings": ROWS.astype(np.float16).view("V2"), "labels": LABELS},
            "embeddings must be an N x D array of floats, not (4, 3) of |V2; save bfloat16 as ",
        ),
        (
            {"embeddings": ROWS.astype(object), "labels": LABELS},
            "embeddings are Python objects; ",
        ),
        (
            {"embeddings": ROWS[:0], "labels": LABELS[:0]},
            "embeddings must not be empty, but are (0, 3)",
        ),
        (
            {"embeddings": ROWS[:, :0], "labels": LABELS},
            "embeddings must not be empty, but are (4, 0)",
        ),
        (
            {"embeddings": ROWS, "labels": np.array(["a", None, 1, 2], dtype=object)},
            "labels are Python objects; save texts with .astype(str)",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(InputError) as raised:
        read_embeddings(path)
    assert str(raised.value).startswith(f"{path}: {said}")


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, ROWS)
    (tmp_path / "text.npz").write_text("embeddings")
    (tmp_path / "empty.npz").write_bytes(b"")
    whole = save(tmp_path, embeddings=ROWS, labels=LABELS).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "changed.npz").write_bytes(whole.replace(ROWS.tobytes(), bytes(ROWS.nbytes)))
    for name in ("array.npz", "text.npz", "empty.npz", "half.npz", "changed.npz"):
        with pytest.raises(InputError, match=f"{name}: is not an .npz file of plain arrays"):
            read_embeddings(tmp_path / name)
    with pytest.raises(InputError, match=r"no\.npz: cannot be read \(No such file"):
        read_embeddings(tmp_path / "no.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_embeddings(tmp_path / "folder.npz")


def test_members_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "members.npz"
    for name, content, said in [
        ("labels", b"", "there is no array 'labels' or"),  # numpy writes labels.npy
        ("labels.npy", b"no array", "is not an .npz file of plain arrays"),
        ("labels.npy", npy(LABELS)[:-1], "labels: the file ends too early"),
    ]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("embeddings.npy", npy(ROWS))
            archive.writestr(name, content)
        with pytest.raises(InputError, match=re.escape(f"{path}: {said}")):
            read_embeddings(path)


def test_labels_are_numbered_in_their_order_whatever_piece_they_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_files, "_PIECE_BYTES", 1)
    labels = ["d", "b", "d", "a"]
    read = read_embeddings(save(tmp_path, embeddings=ROWS, labels=np.array(labels)))
    assert read.labels.tolist() == [2, 1, 2, 0]
    assert read.class_names == ("a", "b", "d")


# Pairs of .npy files


def test_a_pair_of_arrays(tmp_path: Path) -> None:
    read = read_embeddings(*pair(tmp_path, npy(ROWS.astype(">f8")), npy(LABELS)))
    assert read.embeddings.tolist() == ROWS.tolist()
    assert read.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("embeddings", "labels", "said"),
    [
        (npy(LABELS), npy(ROWS), "e.NPY: embeddings must be an N x D array of floats, not (4,) of"),
        (npy(ROWS), npy(LABELS[1:]), "l.npy: labels must be 4, one for each embedding, not (3,)"),
        (npy(BAD), npy(LABELS), "e.NPY: embeddings: row 2 holds NaN"),
        (npy(ROWS)[:-1], npy(LABELS), "e.NPY: embeddings: the file ends too early"),
        (npy(ROWS), npy(LABELS)[:-1], "l.npy: labels: the file ends too early"),
        (
            npy(ROWS),
            npy(np.zeros(4, "U1")).replace(b"<U1", b"<U0"),
            "l.npy: labels must be integers or texts, not all empty",
        ),
        (npy(ROWS)[:20], npy(LABELS), "e.NPY: is not an .npy file of a plain array"),
        (npy(ROWS), b"", "l.npy: is not an .npy file of a plain array"),
        (
            npy(ROWS).replace(b"(4, 3), }", b"(9, 9), }"),
            npy(LABELS),
            "e.NPY: embeddings: the file ends too early",
        ),
    ],
)
def test_pairs_that_are_refused(
    tmp_path: Path, embeddings: bytes, labels: bytes, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        read_embeddings(*pair(tmp_path, embeddings, labels))
    assert str(raised.value).startswith(f"{tmp_path}/{said}")


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, ">i4"])
def test_queries(tmp_path: Path, dtype: Any) -> None:
    asked = np.arange(70) % 3 == 0
    arrays = {"embeddings": np.ones((70, 2)), "labels": np.arange(70), "q": asked.astype(dtype)}
    path = save(tmp_path, **arrays)
    read = read_embeddings(path, query_column="q")
    assert read.queries is not None
    assert read.queries.dtype == torch.bool
    assert read.queries.tolist() == asked.tolist()
    assert read_embeddings(path).queries is None


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("queries", "said"),
    [
        (["a"] * 70, "q must be truth values or 0 and 1, not str"),
        (np.ones(70), "q must be truth values or 0 and 1, not float64"),
        (np.arange(70) // 66 * 2, "q: row 66 holds 2, which is neither 0 nor 1"),
        (np.arange(70) // 66 * -1, "q: row 66 holds -1"),
        (np.ones(69, bool), "q must be 70, one for each label, not (69,)"),
        (np.ones((70, 1), bool), "q must be 70, one for each label, not (70, 1)"),
    ],
)
def test_bad_queries(tmp_path: Path, queries: Any, said: str) -> None:
    arrays = {"embeddings": np.ones((70, 2)), "labels": np.arange(70), "q": queries}
    with pytest.raises(InputError, match=re.escape(said)):
        read_embeddings(save(tmp_path, **arrays), query_column="q")


def test_no_such_queries(tmp_path: Path) -> None:
    path = save(tmp_path, embeddings=ROWS, labels=LABELS)
    with pytest.raises(InputError, match="no array 'q'; it holds embeddings, labels"):
        read_embeddings(path, query_column="q")
