from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectives import InputError
from sweeps.embeddings import read_embeddings

from .arrays import LABELS, ROWS, npy, pair, save


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
    with pytest.raises(InputError, match=r"query_column: .*e\.NPY has no columns"):
        read_embeddings(first, second, query_column="x")
    with pytest.raises(InputError, match=r"no\.npy: cannot be read \(No such file"):
        read_embeddings(first, tmp_path / "no.npy")


def test_a_name_that_is_empty_is_no_choice_of_the_usual(tmp_path: Path) -> None:
    embeddings = np.eye(2, dtype=np.float32)
    np.savez(tmp_path / "a.npz", embeddings=embeddings, labels=np.arange(2))
    columns = {"embedding": [*embeddings], "label": pyarrow.array([0, 1])}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    for name in ("a.npz", "a.parquet"):
        # As of a shell's variable that is not set: all samples would be taken for queries.
        with pytest.raises(InputError, match=r"there is no (array|column) ''; it holds "):
            read_embeddings(tmp_path / name, query_column="")
        with pytest.raises(InputError, match=r"there is no (array|column) ''; it holds "):
            read_embeddings(tmp_path / name, label_column="")
