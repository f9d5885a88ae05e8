import pytest

from sweeps.embeddings import numpy_files, parquet_files


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_files, "_PIECE_BYTES", 64)
    monkeypatch.setattr(parquet_files, "_BATCH_ROWS", 3)
