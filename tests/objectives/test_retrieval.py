import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from objectives import InputError, score_embeddings
from objectives.pairwise.similarity import (
    SimilarityBlock,
    check_embeddings,
    similarity_blocks,
    unit_embeddings,
)
from objectives.retrieval import (
    RankedPositives,
    first_ranks,
    mean_average_precision_at_r,
    rank_positives,
)


def _block(similarity: list[list[float]], positive: list[list[int]]) -> SimilarityBlock:
    """Queries 0 to B - 1, whose own column is neither positive nor negative."""
    mask = torch.tensor(positive, dtype=torch.bool)
    own = torch.eye(*mask.shape, dtype=torch.bool)
    return SimilarityBlock(
        queries=torch.arange(len(mask)),
        similarity=torch.tensor(similarity, dtype=torch.float64),
        positive=mask,
        negative=~mask & ~own,
    )


def test_ranks_by_hand() -> None:
    block = _block(
        [[1.0, 0.9, 0.8, 0.7, 0.6], [0.9, 1.0, 0.2, 0.3, 0.1]],
        [[0, 0, 1, 0, 1], [1, 0, 0, 0, 0]],
    )
    ranked = rank_positives(block, 2, depth=2)
    assert ranked.ranks.tolist() == [[2, 4], [1, 0]]
    assert ranked.positives.tolist() == [2, 1]
    assert first_ranks(ranked).tolist() == [2, 1]
    # Query 0: of its first R = 2 ranks only the second holds a positive, at precision 1/2.
    assert mean_average_precision_at_r(ranked).tolist() == [0.25, 1.0]


@pytest.mark.parametrize("gap", [0.0, 1e-15, -1e-15])
def test_a_tie_counts_against_the_query(gap: float) -> None:
    ranked = rank_positives(_block([[1.0, 0.5, 0.5 + gap]], [[0, 1, 0]]), 1, depth=2)
    assert ranked.ranks.tolist() == [[2]]


def test_what_is_nearer_by_more_than_rounding_is_no_tie() -> None:
    ranked = rank_positives(_block([[1.0, 0.5 + 1e-9, 0.5]], [[0, 1, 0]]), 1, depth=2)
    assert ranked.ranks.tolist() == [[1]]


def test_positives_that_tie_share_no_rank() -> None:
    ranked = rank_positives(_block([[1.0, 0.5, 0.5, 0.1]], [[0, 1, 1, 0]]), 2, depth=2)
    assert ranked.ranks.tolist() == [[1, 2]]


def test_without_any_positive() -> None:
    ranked = rank_positives(_block([[1.0, 0.5]], [[0, 0]]), 0, depth=2)
    assert ranked.ranks.shape == (1, 0)
    assert first_ranks(ranked).tolist() == [0]
    assert math.isnan(mean_average_precision_at_r(ranked).item())


def test_map_at_r_looks_no_further_than_r() -> None:
    ranked = RankedPositives(ranks=torch.tensor([[1, 3, 4], [1, 2, 3], [4, 5, 6], [1, 3, 0]]))
    wanted = [(1 + 2 / 3) / 3, 1.0, 0.0, 0.5]
    assert mean_average_precision_at_r(ranked).tolist() == pytest.approx(wanted)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(8, 60), classes=st.integers(1, 9))
def test_is_that_of_pytorch_metric_learning(seed: int, n: int, classes: int) -> None:
    """On input without ties, and with a positive for each sample, which it would leave out."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator).repeat(2)
    embeddings = torch.randn(2 * n, 5, generator=generator, dtype=torch.float64)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=CustomKNN(LpDistance()),
    )
    wanted = calculator.get_accuracy(embeddings, labels)
    got = score_embeddings(embeddings, labels)
    assert got.recall_at_1 == pytest.approx(wanted["precision_at_1"], rel=1e-12)
    assert got.map_at_r == pytest.approx(wanted["mean_average_precision_at_r"], rel=1e-9)


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
    blocks = list(similarity_blocks(unit, labels))
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
    block = _block([[1 + 1e-15, 0.5, 0.0, -1.0]], [[0, 0, 0, 0]])
    assert block.distance.tolist() == [pytest.approx([0, 1, math.sqrt(2), 2])]
