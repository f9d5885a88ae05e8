"""The float32 pass against float64 counts of every pair, on each of its ways."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import Calibration, Score, distance_at_far, score_embeddings
from objectives.pairwise import distance_estimate, far_search, one_pass, pair_counts
from objectives.pairwise.cpu_backend import CpuBackend
from objectives.pairwise.distance_estimate import DistanceEstimate
from objectives.pairwise.torch_backend import TorchBackend
from tests.objectives import oracle

Case = tuple[Tensor, Tensor]
# Further than float32 puts a distance between 0.3 and 2 from its place.
BLUR = 2e-6
WAYS = ["compiled", "torch", "rows", "some rows", "some rows, torch"]


def _set(seed: int, *, n: int = 300, classes: int = 40, dim: int = 8, noise: float = 0.7) -> Case:
    """Classes of very different sizes and widths, in clusters of their own, and singletons."""
    generator = torch.Generator().manual_seed(seed)
    popularity = torch.rand(classes, generator=generator) ** 2
    labels = torch.multinomial(popularity, n, replacement=True, generator=generator)
    centres = torch.randn(classes, dim, generator=generator)
    centres += 0.8 * torch.randn(4, dim, generator=generator)[torch.arange(classes) % 4]
    widths = noise * (0.3 + torch.rand(classes, 1, generator=generator))
    embeddings = centres[labels] + widths[labels] * torch.randn(n, dim, generator=generator)
    return embeddings, labels


@pytest.fixture(autouse=True)
def _even_small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "_SMALL", 0)


@pytest.fixture(params=["compiled", "torch", "rows"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    _take(request.param, monkeypatch)


def _take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles for all classes, whole rows for those of more than so many samples, or for all."""
    if "torch" in way:
        monkeypatch.setattr(pair_counts, "CpuBackend", TorchBackend)
    if "rows" in way:
        monkeypatch.setattr(one_pass, "_MOST_IN_TILES", 7 if "some" in way else 0)


def _exactly(embeddings: Tensor, labels: Tensor, calibration: Calibration | None = None) -> Score:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_pass, "_SMALL", 10**9)
        return score_embeddings(embeddings, labels, calibration or Calibration())


def _ranks_alike(got: Score, wanted: Score) -> None:
    for k in (1, 2, 4, 8, 16):
        assert got.recall_at(k) == wanted.recall_at(k)
    assert got.map_at_r == pytest.approx(wanted.map_at_r, rel=1e-12, nan_ok=True)
    assert got.hits.tolist() == wanted.hits.tolist()
    assert got.classes.tolist() == wanted.classes.tolist()
    assert got.samples.tolist() == wanted.samples.tolist()
    assert got.singletons == wanted.singletons


def _counts_truly(got: Score, embeddings: Tensor, labels: Tensor) -> None:
    """FAR and FRR at the thresholds are what every pair, taken one by one in float64, gives."""
    unit = torch.nn.functional.normalize(embeddings.double(), dim=1).numpy()
    distances = np.sqrt(np.maximum(2 - 2 * unit @ unit.T, 0))
    names = labels.numpy()
    for row, name in enumerate(got.classes.tolist()):
        own = names == name
        inside = distances[np.ix_(own, own)][~np.eye(own.sum(), dtype=bool)]
        outside = distances[np.ix_(own, ~own)].ravel()
        marks = [*got.thresholds.tolist(), got.operating_threshold]
        fars = [*got.far[row].tolist(), float(got.operating_far[row])]
        frrs = [*got.frr[row].tolist(), float(got.operating_frr[row])]
        for mark, far, frr in zip(marks, fars, frrs, strict=True):
            assert (outside <= mark - BLUR).mean() - 1e-12 <= far
            assert far <= (outside <= mark + BLUR).mean() + 1e-12
            assert (inside > mark + BLUR).mean() - 1e-12 <= frr
            assert frr <= (inside > mark - BLUR).mean() + 1e-12


def _reaches(distance: float, far: float, embeddings: Tensor, labels: Tensor, step: float) -> None:
    """The distance is the first on a grid of that step at which the pooled FAR is reached."""
    negatives = oracle.negative_distances(oracle.distances(embeddings), labels.tolist())
    assert (negatives <= distance + BLUR).mean() >= far
    assert (negatives <= distance - step - BLUR).mean() < far


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"noise": 2.0},
        {"noise": 0.1},
        {"classes": 2, "n": 80},
        {"classes": 250},
        {"dim": 2},
        {"dim": 300},
        {"n": 7, "classes": 3},
    ],
    ids=str,
)
def test_is_what_counting_each_pair_gives(shape: dict[str, Any], seed: int) -> None:
    embeddings, labels = _set(seed, **shape)
    got = score_embeddings(embeddings, labels)
    _ranks_alike(got, _exactly(embeddings, labels))
    _counts_truly(got, embeddings, labels)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_any_dtype(dtype: torch.dtype) -> None:
    embeddings, labels = _set(3)
    got = score_embeddings(embeddings.to(dtype), labels)
    _ranks_alike(got, _exactly(embeddings.to(dtype), labels))
    _counts_truly(got, embeddings.to(dtype), labels)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(8, 120),
    classes=st.integers(2, 60),
    side=st.sampled_from([5, 16, 64, 1024]),
    threads=st.integers(1, 5),
    way=st.sampled_from(WAYS),
)
def test_ways_agree(seed: int, n: int, classes: int, side: int, threads: int, way: str) -> None:
    """Whatever the tiles, rows and threads, each way gives the same ranks; tiles the same counts.

    Whole rows take each pair from both ends, which rounding may put on two sides of an edge.
    """
    embeddings, labels = _set(seed, n=n, classes=classes)
    labels[:2] = torch.tensor([0, 1])
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CpuBackend, "side", side)
        patch.setattr(TorchBackend, "side", side)
        try:
            torch.set_num_threads(threads)
            compiled = score_embeddings(embeddings, labels)
            _take(way, patch)
            other = score_embeddings(embeddings, labels)
        finally:
            torch.set_num_threads(before)
    _ranks_alike(compiled, other)
    _counts_truly(other, embeddings, labels)
    if "rows" in way:
        return
    for name in ("thresholds", "far", "frr", "operating_far", "operating_frr", "ranks"):
        torch.testing.assert_close(getattr(compiled, name), getattr(other, name), msg=name)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("fars", [(0.01, 0.1, 0.05), (0.2, 0.9, 0.3), (0.01, 0.02, 0.5)])
def test_the_range_holds_the_fars(fars: tuple[float, float, float]) -> None:
    embeddings, labels = _set(5)
    calibration = Calibration(far_min=fars[0], far_max=fars[1], operating_far=fars[2])
    got = score_embeddings(embeddings, labels, calibration)
    wanted = _exactly(embeddings, labels, calibration)
    for name, far in zip(("d_min", "d_max", "operating_threshold"), fars, strict=True):
        _reaches(getattr(got, name), far, embeddings, labels, step=1e-3)
        assert getattr(got, name) == pytest.approx(getattr(wanted, name), abs=1e-3)
    assert got.opis == pytest.approx(wanted.opis, rel=0.01)
    assert got.opis_10 == pytest.approx(wanted.opis_10, rel=0.01)
    uniform = torch.linspace(got.d_min, got.d_max, 101, dtype=torch.float64)
    step = (got.d_max - got.d_min) / 100
    assert float((got.thresholds - uniform).abs().max()) < 0.07 * step


@pytest.mark.usefixtures("_way")
def test_explicit_distances_are_kept() -> None:
    embeddings, labels = _set(6)
    got = score_embeddings(embeddings, labels, Calibration(d_min=0.31, d_max=1.17))
    wanted = _exactly(embeddings, labels, Calibration(d_min=0.31, d_max=1.17))
    torch.testing.assert_close(got.thresholds, wanted.thresholds, rtol=0, atol=1e-15)
    assert got.opis == pytest.approx(wanted.opis, rel=1e-6)
    assert got.operating_threshold == pytest.approx(wanted.operating_threshold, abs=1e-3)
    _counts_truly(got, embeddings, labels)


def test_pooled_mean() -> None:
    embeddings, labels = _set(7)
    got = score_embeddings(embeddings, labels, Calibration(mean="pooled"))
    wanted = _exactly(embeddings, labels, Calibration(mean="pooled"))
    assert got.opis == pytest.approx(wanted.opis, rel=0.01)
    torch.testing.assert_close(got.centre, wanted.centre, rtol=0, atol=2e-3)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("spread", [0.0, 1e-8])
def test_what_float32_leaves_open_is_decided_in_float64(spread: float) -> None:
    """A twin of another class beside each sample: nearer than its positives, or tied."""
    embeddings, labels = _set(8, n=100, noise=0.2)
    offset = spread * torch.randn(100, 8, generator=torch.Generator().manual_seed(1)).double()
    twins = torch.cat([embeddings.double(), embeddings.double() + offset])
    names = torch.cat([labels, labels[torch.randperm(100)]])
    _ranks_alike(score_embeddings(twins, names), _exactly(twins, names))


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("dim", [3, 16, 64, 512])
def test_ranks_of_near_ties_are_exact(dim: int) -> None:
    """A positive and a negative about equally near to each query, to a rounding of float32."""
    generator = torch.Generator().manual_seed(dim)
    query = torch.randn(250, dim, generator=generator, dtype=torch.float64)
    query = torch.nn.functional.normalize(query)
    aside = torch.nn.functional.normalize(
        torch.randn(2, 250, dim, generator=generator, dtype=torch.float64), dim=-1
    )
    gaps = 1 + 1e-4 * torch.randn(2, 250, 1, generator=generator, dtype=torch.float64)
    near = query + 2e-3 * gaps * aside
    embeddings = torch.cat([query, near[0], near[1]]).float()
    labels = torch.cat([torch.arange(250), torch.arange(250), 250 + torch.arange(250)])
    _ranks_alike(score_embeddings(embeddings, labels), _exactly(embeddings, labels))


@pytest.mark.usefixtures("_way")
def test_order_of_positives_and_negatives_a_millionth_apart() -> None:
    angles = 0.5 + torch.arange(40).double() * 3e-8
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    embeddings = torch.cat([embeddings, torch.randn(60, 2).double()])
    labels = torch.cat([torch.arange(40) % 3, 3 + torch.arange(60) % 5])
    _ranks_alike(score_embeddings(embeddings, labels), _exactly(embeddings, labels))


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that every pass over the pairs adds to."""
    passes: list[int] = []

    def count(*given: Any) -> pair_counts.PairCounts:
        passes.append(1)
        return pair_counts.count_pairs(*given)

    monkeypatch.setattr(far_search, "count_pairs", count)
    return passes


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.5])
def test_a_sample_that_misleads_costs_another_pass(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Misled(DistanceEstimate):
        def distances(self, *fars: float) -> list[float]:
            return [min(2.0, factor * distance) for distance in super().distances(*fars)]

    embeddings, labels = _set(13)
    monkeypatch.setattr(one_pass, "DistanceEstimate", Misled)
    passes = _counted(monkeypatch)
    got = score_embeddings(embeddings, labels)
    assert len(passes) > 1
    _ranks_alike(got, _exactly(embeddings, labels))
    _counts_truly(got, embeddings, labels)
    for distance, far in ((got.d_min, 0.01), (got.d_max, 0.1), (got.operating_threshold, 0.05)):
        _reaches(distance, far, embeddings, labels, step=1e-3)
    assert len(got.thresholds.unique()) == 101


@pytest.mark.parametrize(("enough", "expected"), [(0, 2), (1024, 1)])
def test_few_samples_outside_one_class_cost_no_other_pass(
    enough: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nine in ten are of one class, and classes differ in width: few tell the negatives' distances.
    generator = torch.Generator().manual_seed(2)
    labels = torch.cat([torch.zeros(4_500), 1 + torch.arange(500) // 2]).long()
    centres = torch.randn(251, 512, generator=generator)
    widths = 0.3 + 0.4 * torch.rand(251, 1, generator=generator)
    noise = torch.randn(5_000, 512, generator=generator)
    monkeypatch.setattr(distance_estimate, "_ENOUGH", enough)
    passes = _counted(monkeypatch)
    score_embeddings(centres[labels] + widths[labels] * noise, labels)
    assert len(passes) == expected


@pytest.mark.usefixtures("_way")
def test_antipodes_are_at_distance_two() -> None:
    half = torch.randn(150, 8, generator=torch.Generator().manual_seed(0))
    embeddings, labels = torch.cat([half, -half]), torch.arange(300) % 60
    calibration = Calibration(far_min=0.4, far_max=0.9999, operating_far=0.5)
    got = score_embeddings(embeddings, labels, calibration)
    assert got.d_max == pytest.approx(2, abs=1e-3)
    _ranks_alike(got, _exactly(embeddings, labels, calibration))
    assert distance_at_far(embeddings, labels, 0.99999) == pytest.approx(2, abs=1e-3)


@pytest.mark.usefixtures("_way")
def test_positives_at_distance_two_are_within_it() -> None:
    half = torch.randn(150, 8, generator=torch.Generator().manual_seed(0))
    embeddings, labels = torch.cat([half, -half]), torch.arange(300) % 150
    got = score_embeddings(embeddings, labels, Calibration(d_min=1.0, d_max=2.0))
    assert not got.frr[:, -1].any()
    assert bool((got.far[:, -1] == 1).all())


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("operating", [0.02, 0.5, 0.95])
def test_codes_with_few_distances(operating: float) -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(2, (300, 8), generator=generator).float() * 2 - 1
    labels = torch.arange(300) % 70
    calibration = Calibration(operating_far=operating)
    got = score_embeddings(codes, labels, calibration)
    wanted = _exactly(codes, labels, calibration)
    _ranks_alike(got, wanted)
    assert got.operating_threshold == pytest.approx(wanted.operating_threshold, abs=1e-4)
    torch.testing.assert_close(got.operating_far, wanted.operating_far)
    _counts_truly(got, codes, labels)


@pytest.mark.parametrize("fars", [(1e-4, 1e-3), (0.5, 0.501)])
def test_thresholds_of_a_narrow_range_differ(fars: tuple[float, float]) -> None:
    embeddings, labels = _set(14, n=600, dim=64)
    calibration = Calibration(far_min=fars[0], far_max=fars[1], thresholds=1001)
    got = score_embeddings(embeddings, labels, calibration)
    assert len(got.thresholds.unique()) == 1001
    wanted = _exactly(embeddings, labels, calibration)
    assert got.opis == pytest.approx(wanted.opis, rel=0.01)


def test_settings_of_the_program_around_change_nothing() -> None:
    embeddings, labels = _set(15, dim=64)
    wanted = score_embeddings(embeddings, labels).metrics()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert score_embeddings(embeddings, labels).metrics() == wanted
    cpu = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = cpu.fp32_precision
    try:
        torch.set_default_dtype(torch.float64)
        cpu.fp32_precision = "bf16"
        assert score_embeddings(embeddings, labels).metrics() == wanted
        assert cpu.fp32_precision == "bf16"
    finally:
        torch.set_default_dtype(torch.float32)
        cpu.fp32_precision = before


def test_calls_from_several_threads_do_not_disturb_each_other() -> None:
    sets = [_set(seed) for seed in range(4)]
    wanted = [score_embeddings(*each).metrics() for each in sets]
    before = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda each: score_embeddings(*each).metrics(), sets * 3))
    assert got == wanted * 3
    assert torch.get_num_threads() == before


def test_progress_that_raises_leaves_no_trace() -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            score_embeddings(*_set(0), progress=stop)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def _cone(seed: int) -> Case:
    embeddings, labels = _set(seed)
    return 1 + 1e-3 * embeddings, labels


def _one_class(seed: int) -> Case:
    return _set(seed)[0], torch.zeros(300, dtype=torch.int64)


def _collapsed(seed: int) -> Case:
    return torch.ones(300, 8), _set(seed)[1]


@pytest.mark.parametrize("case", [_cone, _one_class, _collapsed])
def test_is_done_exactly_where_it_has_to(
    case: Callable[[int], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_search, "count_pairs", None)
    embeddings, labels = case(2)
    got, wanted = score_embeddings(embeddings, labels), _exactly(embeddings, labels)
    assert got.metrics() == pytest.approx(wanted.metrics(), nan_ok=True, rel=1e-12)


@pytest.mark.parametrize("far", [1e-4, 0.01, 0.3, 0.99])
def test_distance_at_far(far: float) -> None:
    embeddings, labels = _set(9)
    got = distance_at_far(embeddings, labels, far)
    _reaches(got, far, embeddings, labels, step=1e-3)


def test_progress_ascends_to_one() -> None:
    shares: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CpuBackend, "side", 64)
        score_embeddings(*_set(1), progress=shares.append)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_any_mode_of_autograd(mode: Callable[[], AbstractContextManager[object]]) -> None:
    embeddings, labels = _set(4)
    wanted = score_embeddings(embeddings, labels).metrics()
    before = torch.get_num_threads()
    with mode():
        given = (embeddings * 2).requires_grad_(mode is torch.enable_grad)
        torch.set_num_threads(2)
        try:
            assert score_embeddings(given, labels).metrics() == wanted
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)


def test_the_same_again() -> None:
    first, second = (score_embeddings(*_set(4)) for _ in range(2))
    assert first.metrics() == second.metrics()
    assert torch.equal(first.utility, second.utility)


def test_order_and_scale_change_no_rank_and_hardly_a_count() -> None:
    embeddings, labels = _set(4)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    wanted = score_embeddings(embeddings, labels)
    got = score_embeddings(embeddings[order] * 3, labels[order])
    _ranks_alike(got, wanted)
    assert got.opis == pytest.approx(wanted.opis, rel=1e-3)


def test_per_class_adds_up() -> None:
    got = score_embeddings(*_set(10))
    table = got.per_class()
    assert {len(column) for column in table.values()} == {len(got.classes)}
    assert float(table["opis"].mean()) == pytest.approx(got.opis, rel=1e-12)
    assert float(table["deviation"].mean()) == pytest.approx(0, abs=1e-12)
    hits = (table["recall_at_1"] * table["samples"]).sum()
    assert float(hits) / 300 == pytest.approx(got.recall_at_1, rel=1e-12)
    assert table["label"].tolist() == got.classes.tolist()


@pytest.mark.parametrize("k", [0, 17, -1])
def test_recall_at_a_k_that_was_not_counted(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k \({k}\)"):
        score_embeddings(*_set(0)).recall_at(k)


def test_recall_at_k_grows_to_the_share_with_positives() -> None:
    got = score_embeddings(*_set(11, noise=3.0))
    recalls = [got.recall_at(k) for k in range(1, 17)]
    assert recalls == sorted(recalls)
    assert recalls[0] == got.recall_at_1
    assert recalls[-1] <= 1 - got.singletons / 300
    assert not math.isnan(recalls[-1])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_cuda_scores_as_the_cpu(dtype: torch.dtype) -> None:
    embeddings, labels = _set(12, n=3000, classes=300, dim=64)
    wanted = score_embeddings(embeddings.to(dtype), labels)
    got = score_embeddings(embeddings.to(dtype).cuda(), labels)
    again = score_embeddings(embeddings.to(dtype).cuda(), labels.cuda())
    _ranks_alike(got, wanted)
    assert got.metrics() == pytest.approx(wanted.metrics(), rel=1e-3)
    assert got.metrics() == again.metrics()
