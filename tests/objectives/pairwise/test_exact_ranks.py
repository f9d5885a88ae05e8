import math

import pytest

from objectives.pairwise.exact_ranks import rank_positives
from objectives.retrieval import first_ranks, mean_average_precision_at_r

from . import blocks


def test_ranks_by_hand() -> None:
    block = blocks.block(
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
    ranked = rank_positives(blocks.block([[1.0, 0.5, 0.5 + gap]], [[0, 1, 0]]), 1, depth=2)
    assert ranked.ranks.tolist() == [[2]]


def test_what_is_nearer_by_more_than_rounding_is_no_tie() -> None:
    ranked = rank_positives(blocks.block([[1.0, 0.5 + 1e-9, 0.5]], [[0, 1, 0]]), 1, depth=2)
    assert ranked.ranks.tolist() == [[1]]


def test_positives_that_tie_share_no_rank() -> None:
    ranked = rank_positives(blocks.block([[1.0, 0.5, 0.5, 0.1]], [[0, 1, 1, 0]]), 2, depth=2)
    assert ranked.ranks.tolist() == [[1, 2]]


def test_without_any_positive() -> None:
    ranked = rank_positives(blocks.block([[1.0, 0.5]], [[0, 0]]), 0, depth=2)
    assert ranked.ranks.shape == (1, 0)
    assert first_ranks(ranked).tolist() == [0]
    assert math.isnan(mean_average_precision_at_r(ranked).item())
