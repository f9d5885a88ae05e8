import re
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from objectives import InputError
from sweeps.embeddings import read_embeddings

from .arrays import BAD, LABELS, ROWS, TORCH

FLOATS = pyarrow.list_(pyarrow.float32())


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
    try:
        path = table(tmp_path, **good | columns)
    except pyarrow.ArrowNotImplementedError as error:
        pytest.skip(f"this pyarrow cannot write it: {error}")  # before 25, a null in fixed sizes
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


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("kind", [pyarrow.bool_(), pyarrow.int8(), pyarrow.uint64()], ids=str)
def test_queries(tmp_path: Path, kind: pyarrow.DataType) -> None:
    queries = pyarrow.array([True, False, False, True]).cast(kind)
    path = table(tmp_path, q=queries, embedding=lists(ROWS, FLOATS), label=LABELS)
    read = read_embeddings(path, query_column="q")
    assert read.queries is not None
    assert read.queries.tolist() == [True, False, False, True]
    assert read_embeddings(path).queries is None


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("queries", "said"),
    [
        (["a", "b", "a", "b"], "q must be truth values or 0 and 1, not string"),
        ([0.0, 1.0, 0.0, 1.0], "q must be truth values or 0 and 1, not double"),
        ([0, 1, 1, 2], "q: row 3 holds 2, which is neither 0 nor 1"),
        ([True, False, True, None], "q: row 3 is null"),
    ],
)
def test_bad_queries(tmp_path: Path, queries: Any, said: str) -> None:
    path = table(tmp_path, q=queries, embedding=lists(ROWS, FLOATS), label=LABELS)
    with pytest.raises(InputError, match=re.escape(said)):
        read_embeddings(path, query_column="q")


def test_labels_as_queries(tmp_path: Path) -> None:
    path = table(tmp_path, embedding=lists(ROWS, FLOATS), label=[0, 1, 1, 0])
    read = read_embeddings(path, query_column="label")
    assert read.queries is not None
    assert read.queries.tolist() == [False, True, True, False]
    with pytest.raises(InputError, match="no column 'q'; it holds embedding, label"):
        read_embeddings(path, query_column="q")
