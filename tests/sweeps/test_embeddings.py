from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectives import InputError
from sweeps.embeddings import read_embeddings

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
LABELS = np.array([3, 3, 7, 7])


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "embeddings.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ">f8"])
def test_floats_keep_their_values(tmp_path: Path, dtype: str) -> None:
    embeddings, labels = read_embeddings(
        save(tmp_path, embeddings=ROWS.astype(dtype), labels=LABELS)
    )
    assert embeddings.tolist() == ROWS.tolist()
    assert embeddings.is_floating_point()
    assert labels.tolist() == [3, 3, 7, 7]
    assert labels.dtype == torch.int64


def test_compressed_and_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "compressed.npz"
    np.savez_compressed(path, labels=LABELS, more=np.zeros(3), embeddings=np.asfortranarray(ROWS))
    assert read_embeddings(path)[0].tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["b", "a", "b", "c"], [1, 0, 1, 2]),
        ([b"x", b"x", b"y", b"y"], [0, 0, 1, 1]),
        ([True, False, True, True], [1, 0, 1, 1]),
        ([0.5, 0.25, 0.5, 7.0], [1, 0, 1, 2]),
        (np.array([5, 5, 9, 9], dtype=">u2"), [5, 5, 9, 9]),
        (np.array([-1, 0, 1, -1], dtype=np.int8), [-1, 0, 1, -1]),
    ],
)
def test_labels_of_any_type(tmp_path: Path, labels: Any, numbers: list[int]) -> None:
    path = save(tmp_path, embeddings=ROWS, labels=np.asarray(labels))
    assert read_embeddings(path)[1].tolist() == numbers


BAD = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, ROWS)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"embeddings": ROWS}, "there is no array 'labels'; it holds embeddings"),
        ({"labels": LABELS, "x": ROWS}, "there is no array 'embeddings'; it holds labels, x"),
        ({}, "there is no array 'embeddings'; it holds none"),
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
            {"embeddings": ROWS, "labels": np.array(["a", None, 1, 2], dtype=object)},
            "holds Python objects; save labels as texts with .astype(str)",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(InputError) as raised:
        read_embeddings(path)
    assert str(raised.value).startswith(f"{path}: {said}")


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", ROWS)
    (tmp_path / "text.npz").write_text("embeddings")
    (tmp_path / "empty.npz").write_bytes(b"")
    whole = save(tmp_path, embeddings=ROWS, labels=LABELS).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "changed.npz").write_bytes(whole.replace(ROWS.tobytes(), bytes(ROWS.nbytes)))
    for name in ("one.npy", "text.npz", "empty.npz", "half.npz", "changed.npz"):
        with pytest.raises(InputError, match=f"{name}: is not an .npz file of plain arrays"):
            read_embeddings(tmp_path / name)
    with pytest.raises(InputError, match=r"no\.npz: cannot be read \(No such file"):
        read_embeddings(tmp_path / "no.npz")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_embeddings(tmp_path)
