import math

import pytest
import torch

from objectives import InputError
from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.similarity import check_embeddings, similarity_blocks, unit_embeddings

from .blocks import block


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unit_embeddings(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_ROWS", 2)
    embeddings = torch.tensor([[3.0, 4.0], [0.0, -2.0], [1e-30, 0.0]])
    check_embeddings(embeddings, torch.arange(3))
    wanted = torch.tensor([[0.6, 0.8], [0, -1], [1, 0]], dtype=dtype)
    torch.testing.assert_close(unit_embeddings(embeddings, dtype), wanted)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(unit_embeddings(embeddings, dtype, order=order), wanted[order])


def test_a_bad_row_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_ROWS", 2)
    with pytest.raises(InputError, match="embeddings: row 3 is all zeros"):
        check_embeddings(torch.tensor([[1.0], [2.0], [1.0], [0.0]]), torch.arange(4))


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_blocks_cover_every_pair_once(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 2, 3])
    unit = unit_embeddings(
        torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.float64
    )
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_BYTES", rows * 8 * 8)
    blocks = list(similarity_blocks(unit, Classes.of(labels)))
    assert len(blocks) == math.ceil(8 / rows)
    assert max(len(block.queries) for block in blocks) <= rows
    assert torch.cat([block.queries for block in blocks]).tolist() == list(range(8))
    similarity = torch.cat([block.similarity for block in blocks])
    torch.testing.assert_close(similarity, unit @ unit.T, rtol=0, atol=1e-15)
    same = labels[:, None] == labels
    positive = torch.cat([block.positive for block in blocks])
    assert torch.equal(positive, same & ~torch.eye(8, dtype=torch.bool))
    assert torch.equal(torch.cat([block.negative for block in blocks]), ~same)


def test_distance_of_similarity() -> None:
    queries = block([[1 + 1e-15, 0.5, 0.0, -1.0]], [[0, 0, 0, 0]])
    assert queries.distance.tolist() == [pytest.approx([0, 1, math.sqrt(2), 2])]
