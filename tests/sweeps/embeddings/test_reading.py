import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectives import InputError
from sweeps.embeddings import numpy_files, parquet_files, read_embeddings

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
LABELS = np.array([3, 3, 7, 7])
TORCH = {2: torch.float16, 4: torch.float32, 8: torch.float64}


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "embeddings.npz"
    np.savez(path, **arrays)
    return path


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


BAD = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, ROWS)


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


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_files, "_PIECE_BYTES", 64)
    monkeypatch.setattr(parquet_files, "_BATCH_ROWS", 3)


@pytest.mark.usefixtures("pieces")
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 24),
    by_columns=st.booleans(),
    compressed=st.booleans(),
    bad=st.none() | st.integers(0, 39),
    texts=st.booleans(),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_pieces_make_up_the_whole(
    tmp_path: Path,
    rows: int,
    width: int,
    by_columns: bool,
    compressed: bool,
    bad: int | None,
    texts: bool,
) -> None:
    embeddings = np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32)
    labels = np.random.default_rng(width).integers(-9, 9, size=rows)
    if bad is not None and bad < rows:
        embeddings[bad, -1] = np.inf
    held = labels.astype(str) if texts else labels
    laid = np.asfortranarray(embeddings) if by_columns else embeddings
    paths = [tmp_path / name for name in ("a.npz", "e.npy", "l.npy", "a.parquet")]
    (np.savez_compressed if compressed else np.savez)(paths[0], embeddings=laid, labels=held)
    np.save(paths[1], laid)
    np.save(paths[2], held)
    table = {"embedding": list(embeddings), "label": pyarrow.array(held.tolist())}
    parquet.write_table(pyarrow.table(table), paths[3], row_group_size=7)
    for arguments in ((paths[0],), (paths[1], paths[2]), (paths[3],)):
        shares: list[float] = []
        if bad is not None and bad < rows:
            with pytest.raises(InputError, match=f"embeddings?: row {bad} holds NaN or infinity"):
                read_embeddings(*arguments)
            continue
        read = read_embeddings(*arguments, progress=shares.append)
        assert read.embeddings.dtype == torch.float32
        assert read.embeddings.tolist() == embeddings.tolist()
        assert [read.class_name(label) for label in read.labels.tolist()] == held.astype(
            str
        ).tolist()
        assert shares == sorted(set(shares))
        assert 0 < shares[0] <= shares[-1] == 1.0


def test_labels_are_numbered_in_their_order_whatever_piece_they_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_files, "_PIECE_BYTES", 1)
    labels = ["d", "b", "d", "a"]
    read = read_embeddings(save(tmp_path, embeddings=ROWS, labels=np.array(labels)))
    assert read.labels.tolist() == [2, 1, 2, 0]
    assert read.class_names == ("a", "b", "d")


# Pairs of .npy files


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def pair(folder: Path, embeddings: bytes, labels: bytes) -> tuple[Path, Path]:
    (folder / "e.NPY").write_bytes(embeddings)
    (folder / "l.npy").write_bytes(labels)
    return folder / "e.NPY", folder / "l.npy"


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


def test_how_many_files(tmp_path: Path) -> None:
    first, second = pair(tmp_path, npy(ROWS), npy(LABELS))
    with pytest.raises(InputError, match=r"e\.NPY: a second \.npy file, of the labels, must foll"):
        read_embeddings(first)
    whole = save(tmp_path, embeddings=ROWS, labels=LABELS)
    with pytest.raises(InputError, match=r"l\.npy: embeddings\.npz has the labels too"):
        read_embeddings(whole, second)
    with pytest.raises(InputError, match=r"e\.csv: embeddings are read from \.npz files, pairs"):
        read_embeddings(tmp_path / "e.csv")
    with pytest.raises(InputError, match=r"label_column: .*e\.NPY has no columns"):
        read_embeddings(first, second, label_column="x")
    with pytest.raises(InputError, match=r"no\.npy: cannot be read \(No such file"):
        read_embeddings(first, tmp_path / "no.npy")


# Parquet


def table(folder: Path, **columns: Any) -> Path:
    path = folder / "rows.Parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


def lists(values: Any, kind: pyarrow.DataType) -> pyarrow.Array:
    floats = kind.value_type.to_pandas_dtype()
    rows = [
        None if row is None else [None if value is None else floats(value) for value in row]
        for row in values
    ]
    return pyarrow.array(rows, kind)


@pytest.mark.parametrize(
    "kind",
    [
        pyarrow.list_(pyarrow.float16()),
        pyarrow.list_(pyarrow.float32()),
        pyarrow.list_(pyarrow.float64()),
        pyarrow.list_(pyarrow.float32(), 3),
        pyarrow.list_(pyarrow.float16(), 3),
        pyarrow.large_list(pyarrow.float64()),
    ],
    ids=str,
)
def test_parquet_floats_keep_their_values(tmp_path: Path, kind: pyarrow.DataType) -> None:
    path = table(tmp_path, other=[None] * 4, embeddings=lists(ROWS, kind), label=LABELS)
    read = read_embeddings(path)
    assert read.embeddings.tolist() == ROWS.tolist()
    assert read.embeddings.dtype == TORCH[kind.value_type.bit_width // 8]
    assert read.labels.tolist() == LABELS.tolist()


def test_parquet_tensors(tmp_path: Path) -> None:
    tensors = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(ROWS)
    read = read_embeddings(table(tmp_path, embedding=tensors, label=LABELS))
    assert read.embeddings.tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (pyarrow.array([3, 3, 7, 7], pyarrow.uint8()), [3, 3, 7, 7], None),
        (pyarrow.array(["b", "a", "b", "ä"]), [1, 0, 1, 2], ("a", "b", "ä")),
        (pyarrow.array(["b", "a", "b", ""], pyarrow.large_string()), [2, 1, 2, 0], ("", "a", "b")),
        (pyarrow.array(["b", "a", "b", "c"]).dictionary_encode(), [1, 0, 1, 2], ("a", "b", "c")),
        (pyarrow.array([b"b", b"a", b"b", b"c"]), [1, 0, 1, 2], ("a", "b", "c")),
        (pyarrow.array([True, False, True, True]), [1, 0, 1, 1], ("False", "True")),
        (pyarrow.array([1.0, 2.0, 2.0, 1.0]), [0, 1, 1, 0], ("1.0", "2.0")),
    ],
)
def test_parquet_labels(
    tmp_path: Path, labels: pyarrow.Array, numbers: list[int], names: tuple[str, ...] | None
) -> None:
    read = read_embeddings(
        table(tmp_path, features=list(ROWS), labels=labels), embedding_column="features"
    )
    assert read.labels.tolist() == numbers
    assert read.class_names == names


FLOATS = pyarrow.list_(pyarrow.float32())
HOLE = [[1, 2, 3], [1, 2, 3], [1, None, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": LABELS}, "there is no column 'embeddings' or 'embedding'; it holds label"),
        ({"embedding": list(ROWS)}, "there is no column 'labels' or 'label'; it holds embedding"),
        ({"embedding": lists(BAD, FLOATS)}, "embedding: row 2 holds NaN or infinity"),
        ({"embedding": lists(HOLE, FLOATS)}, "embedding: row 2 holds a null"),
        (
            {"embedding": lists(HOLE, pyarrow.list_(pyarrow.float32(), 3))},
            "embedding: row 2 holds a null",
        ),
        ({"embedding": lists([[1], None, [1], [1]], FLOATS)}, "embedding: row 1 is null"),
        (
            {"embedding": lists([[1], None, [1], [1]], pyarrow.list_(pyarrow.float32(), 1))},
            "a list of embeddings is null (",
        ),
        (
            {"embedding": lists([[1, 2], [1, 2], [1, 2], [1]], FLOATS)},
            "embedding: row 3 has 1 values, those before have 2",
        ),
        ({"embedding": lists([[]] * 4, FLOATS)}, "embedding: row 0 is an empty list"),
        ({"embedding": list(ROWS.astype(int))}, "embedding must be lists of floats, not list<"),
        ({"embedding": [1.0, 2.0, 3.0, 4.0]}, "embedding must be lists of floats, not double"),
        ({"label": [1, None, 2, 2]}, "label: row 1 is null"),
        ({"label": ["a", "b", "a", None]}, "label: row 3 is null"),
        (
            {"label": pyarrow.array(["a", "b", None, "a"]).dictionary_encode()},
            "label: row 2 is null",
        ),
        ({"label": [1.0, float("nan"), 2.0, 2.0]}, "label: row 1 holds NaN"),
        ({"label": list(ROWS)}, "label must be integers or texts, not list<"),
    ],
)
@pytest.mark.usefixtures("pieces")
def test_parquet_that_is_refused(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    missing = said.startswith("there is no")
    good = {} if missing else {"embedding": list(ROWS), "label": LABELS}
    path = table(tmp_path, **good | columns)
    with pytest.raises(InputError) as raised:
        read_embeddings(path)
    assert str(raised.value).startswith(f"{path}: {said}")


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read \(No such file"):
        read_embeddings(path)
    for content in (b"", b"no parquet at all"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.parquet: cannot be read as Parquet \("):
            read_embeddings(path)
    whole = table(tmp_path, embedding=list(ROWS), label=LABELS).read_bytes()
    path.write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read "):
        read_embeddings(path)
    path = table(tmp_path, embedding=lists([], FLOATS), label=LABELS[:0])
    with pytest.raises(InputError, match="there are no rows"):
        read_embeddings(path)
