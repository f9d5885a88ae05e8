import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from objectives.pairwise.distance_histogram import DistanceHistogram, count_within
from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.similarity import SimilarityBlock, similarity_blocks, unit_embeddings

CPU = torch.device("cpu")


def _blocks(seed: int = 0, n: int = 30) -> tuple[list[SimilarityBlock], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=generator)
    unit = unit_embeddings(torch.randn(n, 5, generator=generator), torch.float64)
    return list(similarity_blocks(unit, Classes.of(labels))), labels


def test_count_within_by_hand() -> None:
    """Distances 0, 1 and beyond; a pair at a threshold lies within it."""
    block = SimilarityBlock(
        queries=torch.tensor([1]),
        similarity=torch.tensor([[1.0, 1.0, 0.5, -1.0]], dtype=torch.float64),
        positive=torch.tensor([[True, False, True, False]]),
        negative=torch.tensor([[False, False, False, True]]),
    )
    classes = torch.tensor([1, 1, 1, 0])
    thresholds = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    counts = torch.zeros(2, 4, dtype=torch.long)
    count_within(block, block.positive, classes, thresholds, counts)
    count_within(block, block.negative, classes, thresholds, counts)
    assert counts.tolist() == [[0, 0, 0, 0], [1, 0, 1, 1]]


def test_count_within_counts_each_pair_from_both_ends() -> None:
    blocks, labels = _blocks()
    thresholds = torch.linspace(0.3, 1.5, 11).double()
    counts = torch.zeros(4, 12, dtype=torch.long)
    for block in blocks:
        count_within(block, block.negative, labels, thresholds, counts)
    for name in range(4):
        inside, outside = (labels == name).nonzero()[:, 0], (labels != name).nonzero()[:, 0]
        distances = blocks[0].distance[inside][:, outside].flatten().numpy()
        edges = [-1.0, *thresholds.tolist(), 3.0]
        wanted = [int(((distances > a) & (distances <= b)).sum()) for a, b in pairwise(edges)]
        assert counts[name].tolist() == wanted


@pytest.mark.parametrize("far", [1e-9, 0.01, 0.1, 0.5, 0.9, 1 - 1e-9])
def test_histogram_reaches_the_share_and_no_more(far: float) -> None:
    blocks, _ = _blocks()
    histogram = DistanceHistogram(CPU)
    for block in blocks:
        histogram.add(block)
    negatives = np.concatenate([block.distance[block.negative].numpy() for block in blocks])
    got = histogram.distance_at(far)
    assert (negatives <= got).mean() >= far
    assert (negatives <= got - 2.1e-6).mean() < far


def test_histogram_reaches_a_share_of_very_many_pairs() -> None:
    """More pairs than a float32 can count: one short of the share is short of it."""
    histogram = DistanceHistogram(CPU)
    histogram._counts[1000] = 2**24
    histogram._counts[2000] = 1
    histogram._counts[3000] = 2**24 - 1
    # Half of 2**25 is reached in the first bin, half and one more only in the second.
    assert histogram.distance_at(0.5) == pytest.approx(1001 / 2**27, abs=1e-12)
    assert histogram.distance_at(0.5 + 2**-25) == pytest.approx(2001 / 2**27, abs=1e-12)


def test_empty_histogram() -> None:
    assert math.isnan(DistanceHistogram(CPU).distance_at(0.1))
