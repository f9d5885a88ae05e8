import math

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from objectives import score_embeddings
from objectives.retrieval import RankedPositives, mean_average_precision_at_r


def test_map_at_r_looks_no_further_than_r() -> None:
    ranked = RankedPositives(ranks=torch.tensor([[1, 3, 4], [1, 2, 3], [4, 5, 6], [1, 3, 0]]))
    wanted = [(1 + 2 / 3) / 3, 1.0, 0.0, 0.5]
    assert mean_average_precision_at_r(ranked).tolist() == pytest.approx(wanted)


def smallest_gap(embeddings: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the least difference in similarity between neighbours in rank of other labels."""
    normed = torch.nn.functional.normalize(embeddings)
    ranked, order = (normed @ normed.T).sort(1)
    others = labels[order][:, 1:] != labels[order][:, :-1]
    gaps = ranked.diff(dim=1)[others]
    return float(gaps.min()) if len(gaps) else math.inf


@settings(max_examples=20, deadline=None)
@example(seed=362879, n=60, classes=2)
@given(seed=st.integers(0, 10**6), n=st.integers(8, 60), classes=st.integers(1, 9))
def test_is_that_of_pytorch_metric_learning(seed: int, n: int, classes: int) -> None:
    """With a positive for each sample, which it would leave out, and where float32 tells apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator).repeat(2)
    embeddings = torch.randn(2 * n, 5, generator=generator, dtype=torch.float64)
    assume(smallest_gap(embeddings, labels) > 1e-6)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=CustomKNN(LpDistance()),
    )
    wanted = calculator.get_accuracy(embeddings, labels)
    got = score_embeddings(embeddings, labels)
    assert got.recall_at_1 == pytest.approx(wanted["precision_at_1"], rel=1e-12)
    assert got.map_at_r == pytest.approx(wanted["mean_average_precision_at_r"], rel=1e-9)
