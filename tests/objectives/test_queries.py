"""Queries against a gallery, scored exactly and in one pass, beside loops over their pairs."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import (
    Calibration,
    InputError,
    Score,
    bootstrap_intervals,
    distance_at_far,
    score_embeddings,
)
from objectives.pairwise import one_pass, pair_counts
from objectives.pairwise.cpu_backend import CpuBackend
from objectives.pairwise.torch_backend import TorchBackend

from . import oracle

Case = tuple[Tensor, Tensor, Tensor]
# Further than float32 puts a distance between 0.3 and 2 from its place.
BLUR = 2e-6
WAYS = ["exact", "compiled", "torch", "rows", "some rows", "some rows, torch"]


@pytest.fixture(params=["exact", "compiled", "torch", "rows"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the pairs are compared."""
    _take(request.param, monkeypatch)
    return str(request.param)


def _take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "_SMALL", 10**9 if way == "exact" else 0)
    if "torch" in way:
        monkeypatch.setattr(pair_counts, "CpuBackend", TorchBackend)
    if "rows" in way:
        monkeypatch.setattr(one_pass, "_MOST_IN_TILES", 4 if "some" in way else 0)


def _random(seed: int, n: int = 70, classes: int = 9, share: float = 0.5) -> Case:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    queries = torch.rand(n, generator=generator) < share
    queries[:2] = torch.tensor([True, False])
    centres = torch.randn(classes, 6, generator=generator)
    widths = torch.linspace(0.3, 1.5, classes)[labels, None]
    return centres[labels] + widths * torch.randn(n, 6, generator=generator), labels, queries


def _few_queries(seed: int) -> Case:
    return _random(seed, share=0.1)


def _few_in_the_gallery(seed: int) -> Case:
    return _random(seed, share=0.9)


def _one_query(seed: int) -> Case:
    return _random(seed, share=0.0)


def _one_in_the_gallery(seed: int) -> Case:
    return _random(seed, share=1.0)


def _unpaired(seed: int) -> Case:
    """Of nine classes two have queries only, two are of the gallery only."""
    embeddings, labels, queries = _random(seed)
    queries[labels < 2], queries[(labels == 2) | (labels == 8)] = True, False
    return embeddings, labels, queries


def _duplicates(seed: int) -> Case:
    """Rows repeated within a class and across classes, queries and gallery."""
    embeddings, labels, queries = _random(seed)
    return embeddings[torch.arange(70) // 4 * 4], labels, queries


CASES = pytest.mark.parametrize(
    "case",
    [
        _random,
        _few_queries,
        _few_in_the_gallery,
        _one_query,
        _one_in_the_gallery,
        _unpaired,
        _duplicates,
    ],
)


def _retrieves(got: Score, case: Case) -> None:
    wanted = oracle.score(*case[:2], queries=case[2], span=(0.3, 1.3))
    assert got.recall_at_1 == got.recall_at(1) == wanted.recall_at_1
    assert got.map_at_r == pytest.approx(wanted.map_at_r, rel=1e-12, nan_ok=True)
    assert got.classes.tolist() == wanted.classes
    assert got.hits.tolist() == wanted.hits
    assert got.samples.tolist() == wanted.samples
    assert got.unpaired.tolist() == wanted.unpaired
    assert got.singletons == len(wanted.unpaired)


def _counts_truly(got: Score, case: Case) -> None:
    """FAR and FRR at the thresholds are what every pair of a query and a gallery sample gives."""
    embeddings, labels, queries = case
    distance, names = oracle.distances(embeddings), labels.tolist()
    pairs = oracle.all_pairs(len(names), queries.tolist())
    marks = [*got.thresholds.tolist(), got.operating_threshold]
    fars = torch.cat([got.far, got.operating_far[:, None]], dim=1).numpy()
    frrs = torch.cat([got.frr, got.operating_frr[:, None]], dim=1).numpy()
    for row, name in enumerate(got.classes.tolist()):
        ends = [(distance[i, j], (names[i] == name) + (names[j] == name)) for i, j in pairs]
        inside = [d for d, count in ends if count == 2]
        outside = [d for d, count in ends if count == 1]
        low, high = (
            np.array([oracle.rates(inside, outside, mark + shift) for mark in marks])
            for shift in (-BLUR, BLUR)
        )
        assert (low[:, 0] - 1e-12 <= fars[row]).all()
        assert (fars[row] <= high[:, 0] + 1e-12).all()
        assert (high[:, 1] - 1e-12 <= frrs[row]).all()
        assert (frrs[row] <= low[:, 1] + 1e-12).all()


@CASES
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("way")
def test_score_is_that_of_the_oracle(case: Callable[[int], Case], seed: int) -> None:
    embeddings, labels, queries = case(seed)
    got = score_embeddings(embeddings, labels, queries=queries)
    _retrieves(got, (embeddings, labels, queries))
    _counts_truly(got, (embeddings, labels, queries))
    wanted = oracle.score(embeddings, labels, queries=queries)
    # Of few pairs, thresholds on a grid and the distances of the pairs differ by more than a step.
    assert got.d_min == pytest.approx(wanted.d_min, abs=1e-3)
    assert got.d_max == pytest.approx(wanted.d_max, abs=1e-3)


@CASES
def test_exact_score_is_that_of_the_oracle(case: Callable[[int], Case]) -> None:
    embeddings, labels, queries = case(5)
    for pooled in (False, True):
        calibration = Calibration(mean="pooled" if pooled else "classes")
        got = score_embeddings(embeddings, labels, calibration, queries=queries)
        wanted = oracle.score(embeddings, labels, queries=queries, pooled=pooled)
        assert got.d_min == pytest.approx(wanted.d_min, abs=2.1e-6)
        assert got.d_max == pytest.approx(wanted.d_max, abs=2.1e-6)
        assert got.opis == pytest.approx(wanted.opis, rel=0.01, abs=1e-12, nan_ok=True)
        assert got.opis_10 == pytest.approx(wanted.opis_10, rel=0.01, abs=1e-12, nan_ok=True)


@CASES
def test_exact_curves_are_those_of_the_oracle(case: Callable[[int], Case]) -> None:
    embeddings, labels, queries = case(7)
    calibration = Calibration(d_min=0.31, d_max=1.17)
    got = score_embeddings(embeddings, labels, calibration, queries=queries)
    wanted = oracle.score(embeddings, labels, queries=queries, span=(0.31, 1.17))
    for name in ("thresholds", "far", "frr", "utility"):
        curve = torch.from_numpy(getattr(wanted, name))
        torch.testing.assert_close(getattr(got, name), curve, rtol=0, atol=1e-12, msg=name)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 60),
    classes=st.integers(2, 20),
    share=st.floats(0, 1),
    side=st.sampled_from([5, 16, 1024]),
    threads=st.integers(1, 4),
    way=st.sampled_from(WAYS),
)
def test_any_layout_is_that_of_the_oracle(
    seed: int, n: int, classes: int, share: float, side: int, threads: int, way: str
) -> None:
    embeddings, labels, queries = _random(seed, n=n, classes=classes, share=share)
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        _take(way, patch)
        patch.setattr(CpuBackend, "side", side)
        patch.setattr(TorchBackend, "side", side)
        try:
            torch.set_num_threads(threads)
            calibration = Calibration(d_min=0.4, d_max=1.6)
            got = score_embeddings(embeddings, labels, calibration, queries=queries)
        finally:
            torch.set_num_threads(before)
    _retrieves(got, (embeddings, labels, queries))
    if not math.isnan(got.operating_threshold):
        _counts_truly(got, (embeddings, labels, queries))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.integers(-1, 1), min_size=3, max_size=3).filter(any), min_size=3, max_size=14
    ),
    seed=st.integers(0, 99),
    way=st.sampled_from(WAYS),
)
def test_retrieval_among_ties_is_that_of_the_oracle(
    rows: list[list[int]], seed: int, way: str
) -> None:
    _, labels, queries = _random(seed, n=len(rows), classes=3)
    case = torch.tensor(rows).double(), labels, queries
    with pytest.MonkeyPatch.context() as patch:
        _take(way, patch)
        _retrieves(score_embeddings(*case[:2], queries=queries), case)


@CASES
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("far", [0.01, 0.3, 0.99])
def test_distance_at_far(case: Callable[[int], Case], far: float) -> None:
    embeddings, labels, queries = case(9)
    got = distance_at_far(embeddings, labels, far, queries=queries)
    given = oracle.distances(embeddings), labels.tolist()
    wanted = oracle.distance_at_far(*given, far, queries.tolist())
    assert got == pytest.approx(wanted, abs=1e-3)
    negatives = oracle.negative_distances(*given, queries.tolist())
    assert (negatives <= got + BLUR).mean() >= far


@pytest.mark.usefixtures("way")
def test_samples_of_a_side_are_not_compared() -> None:
    """A twin of each query, of another class, is in nobody's way; in the gallery, in everyone's."""
    embeddings, labels, queries = _random(3)
    wanted = score_embeddings(embeddings, labels, queries=queries)
    assert any(wanted.hits)
    for part, hits in ((queries, wanted.hits), (~queries, torch.zeros_like(wanted.hits))):
        twins = torch.cat([embeddings, embeddings[part]])
        others = torch.cat([labels, 100 + torch.arange(int(part.sum()))])
        got = score_embeddings(twins, others, queries=torch.cat([queries, queries[part]]))
        assert got.hits.tolist() == hits.tolist()


@pytest.mark.usefixtures("way")
def test_half_of_a_doubled_set_against_the_other() -> None:
    """All positives that a set has without queries, and each sample with its own twin."""
    embeddings, labels, _ = _random(4)
    twice, names = torch.cat([embeddings, embeddings]), torch.cat([labels, labels])
    got = score_embeddings(twice, names, queries=torch.arange(140) < 70)
    plain = score_embeddings(embeddings, labels)
    assert got.recall_at_1 == 1
    assert got.d_min == pytest.approx(plain.d_min, abs=1e-3)
    span = Calibration(d_min=0.3, d_max=1.3)
    got = score_embeddings(twice, names, span, queries=torch.arange(140) < 70)
    plain = score_embeddings(embeddings, labels, span)
    torch.testing.assert_close(got.far, plain.far, rtol=0, atol=1e-12)
    n = plain.samples[:, None]
    pairs = plain.frr * (n - 1) / n  # each sample has one positive more, at distance 0
    torch.testing.assert_close(got.frr, pairs, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_any_dtype_and_order(dtype: torch.dtype) -> None:
    embeddings, labels, queries = _unpaired(6)
    case = embeddings.to(dtype), labels, queries
    got = score_embeddings(*case[:2], queries=queries)
    _retrieves(got, case)
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    again = score_embeddings(case[0][order], labels[order], queries=queries[order])
    assert again.metrics() == pytest.approx(got.metrics(), rel=1e-3)
    assert again.hits.tolist() == got.hits.tolist()


@pytest.mark.usefixtures("way")
def test_one_class_has_no_calibration_range() -> None:
    embeddings, labels, queries = _random(0)
    got = score_embeddings(embeddings, torch.zeros_like(labels), queries=queries)
    assert (got.recall_at_1, got.map_at_r) == (1, 1)
    assert math.isnan(got.opis)
    assert math.isnan(got.d_min)
    assert bool(got.utility.isnan().all())


@pytest.mark.usefixtures("way")
def test_classes_apart_have_no_utility() -> None:
    """No class has both a query and a gallery sample."""
    embeddings, labels, queries = _random(1)
    got = score_embeddings(embeddings, labels + 100 * queries, queries=queries)
    assert got.recall_at_1 == got.recall_at(16) == 0
    assert math.isnan(got.map_at_r)
    assert math.isnan(got.opis)
    assert got.d_min < got.d_max
    assert got.utility.shape == (0, 101)
    assert int(got.unpaired.sum()) == int(queries.sum())


@pytest.mark.usefixtures("way")
def test_collapsed_embeddings_earn_nothing() -> None:
    labels, queries = torch.arange(20) % 2, torch.arange(20) < 10
    got = score_embeddings(torch.ones(20, 3), labels, queries=queries)
    assert (got.recall_at_1, got.map_at_r, got.opis) == (0, 0, 0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels, queries = _unpaired(1)
    whole = score_embeddings(embeddings, labels, queries=queries)
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_BYTES", 3 * 70 * 8)
    parts = score_embeddings(embeddings, labels, queries=queries)
    assert parts.metrics() == pytest.approx(whole.metrics(), rel=1e-9)


@pytest.mark.usefixtures("way")
def test_progress_ascends_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    monkeypatch.setattr(CpuBackend, "side", 16)
    monkeypatch.setattr(TorchBackend, "side", 16)
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_BYTES", 8 * 70 * 8)
    embeddings, labels, queries = _random(0)
    score_embeddings(embeddings, labels, queries=queries, progress=shares.append)
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1


def test_per_class_is_over_queries() -> None:
    embeddings, labels, queries = _unpaired(2)
    got = score_embeddings(embeddings, labels, queries=queries)
    table = got.per_class()
    assert {len(column) for column in table.values()} == {len(got.classes)}
    hits = float((table["recall_at_1"] * table["samples"]).sum())
    assert hits / int(queries.sum()) == pytest.approx(got.recall_at_1, rel=1e-12)
    assert float(table["opis"].mean()) == pytest.approx(got.opis, rel=1e-12)


def test_intervals_draw_classes_with_all_their_queries() -> None:
    embeddings, labels, queries = _unpaired(3)
    score = score_embeddings(embeddings, labels, queries=queries)
    picks = torch.randint(9, (1, 9), generator=torch.Generator().manual_seed(4))[0].tolist()
    assert {pick for pick in picks if pick >= 5}  # one that is left out of averages
    hits = [*score.hits.tolist(), 0, 0, 0, 0]
    asked = [*score.samples.tolist(), *score.unpaired.tolist()]
    recall = sum(hits[pick] for pick in picks) / sum(asked[pick] for pick in picks)
    got = bootstrap_intervals(score, resamples=1, seed=4)
    assert got["recall_at_1"] == pytest.approx((recall, recall), rel=1e-12)
    low, high = bootstrap_intervals(score)["opis"]
    assert 0 <= low < high


def test_inputs_are_left_alone() -> None:
    embeddings, labels, queries = _random(0)
    before = embeddings.clone(), labels.clone(), queries.clone()
    score_embeddings(embeddings, labels, queries=queries)
    for left, right in zip(before, (embeddings, labels, queries), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (torch.zeros(4, dtype=torch.bool), "none of the 4 samples is a query"),
        (torch.ones(4, dtype=torch.bool), "all 4 samples are queries, so there is no gallery"),
        (torch.tensor([True, False]), r"expected 4 truth values, .*\(2,\) of torch.bool"),
        (torch.ones(4, 1, dtype=torch.bool), r"\(4, 1\) of torch.bool"),
        (torch.tensor([0, 1, 0, 1]), r"\(4,\) of torch.int64"),
    ],
)
def test_bad_queries_are_refused(queries: Tensor, message: str) -> None:
    given = torch.ones(4, 2), torch.arange(4)
    with pytest.raises(InputError, match=f"^queries: .*{message}") as caught:
        score_embeddings(*given, queries=queries)
    assert caught.value.fields == ("queries",)
    with pytest.raises(InputError, match=f"^queries: .*{message}"):
        distance_at_far(*given, 0.1, queries=queries)
