"""Large classes, done by whole rows, against loops over their pairs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import Calibration, Score, score_embeddings
from objectives.pairwise import one_pass, row_kernels, whole_rows
from objectives.pairwise.distance_bins import DistanceBins
from objectives.pairwise.pair_counts import count_pairs
from objectives.pairwise.pair_statistics import Classes
from objectives.pairwise.ranks import rank_within_classes
from objectives.pairwise.sorted_samples import sort_by_class
from objectives.progress import ignore_progress
from tests.objectives import oracle

Case = tuple[Tensor, Tensor]
# More than the tolerance of similarities of 12 numbers, and a step between keys.
NEAR = 1.2e-6


@pytest.fixture(autouse=True)
def _rows_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "_SMALL", 0)
    monkeypatch.setattr(one_pass, "_MOST_IN_TILES", 0)


def _sizes(sizes: list[int]) -> Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


def _make(sizes: list[int], noise: float, *, dim: int = 12, seed: int = 0) -> Case:
    """Classes of these sizes, mixed, about a centre each."""
    generator = torch.Generator().manual_seed(seed)
    labels = _sizes(sizes)[torch.randperm(sum(sizes), generator=generator)]
    centres = torch.randn(len(sizes), dim, generator=generator)
    around = torch.randn(len(labels), dim, generator=generator)
    return centres[labels] + noise * around, labels


LAYOUTS = pytest.mark.parametrize(
    "sizes",
    [[75, 75], [22] * 7, [130, 9, 3, 2, 2, 1, 1], [60, 30, 15, 8, 4, 2, 1], [141, 1, 1]],
    ids=str,
)
NOISES = pytest.mark.parametrize("noise", [0.1, 0.8, 100.0])


def _retrieves(got: Score, embeddings: Tensor, labels: Tensor) -> None:
    """Exactly, but for near ties of positives farther than the 16th, which count against them."""
    given = oracle.distances(embeddings), labels.tolist()
    recall, precision = oracle.retrieval(*given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "_TIE", NEAR)
        least = oracle.retrieval(*given)[1]
    assert got.recall_at_1 == recall
    assert least - 1e-12 <= got.map_at_r <= precision + 1e-12
    assert precision - least < 1e-4


@LAYOUTS
@NOISES
def test_score_is_that_of_the_oracle(sizes: list[int], noise: float) -> None:
    embeddings, labels = _make(sizes, noise)
    span = Calibration(d_min=0.31, d_max=1.17)
    got, wanted = (
        score_embeddings(embeddings, labels, span),
        oracle.score(embeddings, labels, span=(0.31, 1.17)),
    )
    _retrieves(got, embeddings, labels)
    assert got.hits.tolist() == wanted.hits
    for name in ("far", "frr", "utility"):
        curve = torch.from_numpy(getattr(wanted, name))
        torch.testing.assert_close(getattr(got, name), curve, rtol=0, atol=1e-12, msg=name)
    assert got.opis == pytest.approx(wanted.opis, rel=1e-9)
    assert got.opis_10 == pytest.approx(wanted.opis_10, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.integers(-1, 1), min_size=3, max_size=3).filter(any), min_size=4, max_size=70
    ),
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    most=st.sampled_from([0, 3, 20]),
)
def test_ties_and_duplicates_count_against_the_sample(
    rows: list[list[int]], sizes: list[int], most: int
) -> None:
    """Points of a lattice, many at one place, and classes of more than 16 positives."""
    labels = _sizes(sizes).repeat(70)[: len(rows)]
    embeddings = torch.tensor(rows).double()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_pass, "_MOST_IN_TILES", most)
        _retrieves_where_any(score_embeddings(embeddings, labels), embeddings, labels)


def _retrieves_where_any(got: Score, embeddings: Tensor, labels: Tensor) -> None:
    if int(labels.bincount().max()) > 1:
        _retrieves(got, embeddings, labels)
    else:
        assert got.recall_at_1 == 0
        assert math.isnan(got.map_at_r)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 3e-8])
def test_twins_of_other_classes(spread: float) -> None:
    """Beside each sample, nearer than float32 tells, is one of another class."""
    embeddings, labels = _make([17] * 4, 0.8)
    offset = spread * torch.randn(68, 12, generator=torch.Generator().manual_seed(1)).double()
    twins = torch.cat([embeddings.double(), embeddings.double() + offset])
    others = torch.cat([labels, 4 + _make([17] * 4, 0.8, seed=2)[1]])
    got = score_embeddings(twins, others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_pass, "_SMALL", 10**9)
        wanted = score_embeddings(twins, others)
    assert got.ranks.tolist() == wanted.ranks.tolist()
    assert got.hits.tolist() == wanted.hits.tolist()
    assert got.map_at_r == pytest.approx(wanted.map_at_r, rel=1e-12)


def test_near_ties_of_farther_positives_count_against_them() -> None:
    """Of 40 positives in a row each of the nearest 20 has a negative 1e-8 behind it."""
    angles = 0.3 + 0.01 * torch.arange(40).double()
    points = torch.cat([torch.zeros(1), angles, angles[:20] + 1e-8, 2 + 0.05 * torch.arange(60)])
    embeddings = torch.stack([points.cos(), points.sin()], dim=1)
    labels = torch.cat([torch.zeros(41), torch.ones(20), 2 + torch.arange(60)]).long()
    samples = sort_by_class(embeddings, Classes.of(labels), most=20)
    ranks = rank_within_classes(samples)
    count_pairs(samples, DistanceBins(low=0.3, high=1.3, count=800), ranks, ignore_progress)
    wanted = sum(k / (2 * k - 1) for k in range(1, 17)) + sum(k / (2 * k) for k in range(17, 21))
    assert float(ranks.precision[0]) == pytest.approx(wanted / 40, rel=1e-12)
    assert int(ranks.first[0]) == 1


@LAYOUTS
@pytest.mark.parametrize("threads", [1, 3])
def test_panels_and_threads_change_nothing(
    sizes: list[int], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, labels = _make(sizes, 0.8)
    wanted = score_embeddings(embeddings, labels)
    monkeypatch.setattr(whole_rows, "_HEIGHTS", (1, 7))
    monkeypatch.setattr(whole_rows, "_WIDTH", 11)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        got = score_embeddings(embeddings, labels)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert got.metrics() == wanted.metrics()
    assert torch.equal(got.utility, wanted.utility)


def test_progress_ascends_to_one_and_may_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_rows, "_HEIGHTS", (1, 5))
    monkeypatch.setattr(one_pass, "_MOST_IN_TILES", 12)
    embeddings, labels = _make([60, 30, 15, 8, 4, 2, 1], 0.8)
    shares: list[float] = []
    score_embeddings(embeddings, labels, progress=shares.append)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            score_embeddings(embeddings, labels, progress=stop)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_positives_of_large_classes_are_not_held() -> None:
    embeddings, labels = _make([130, 128, 3, 1], 0.8)
    ranks = rank_within_classes(sort_by_class(embeddings, Classes.of(labels), most=128))
    assert len(ranks.similarity) == 128 * 127 + 3 * 2
    assert len(ranks.first) == len(ranks.precision) == 130


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.integers(1, int(2.25 * 2**23)), min_size=1, max_size=300),
    near=st.booleans(),
)
def test_keys_are_sorted(keys: list[int], near: bool) -> None:
    array = np.array([key % 5000 + 4000 if near else key for key in keys], dtype=np.int32)
    wanted = sorted(array.tolist())
    table = np.empty(row_kernels._SETS, np.int32)
    row_kernels._sort(array, wanted[0], wanted[-1], np.empty_like(array), table)
    assert array.tolist() == wanted
