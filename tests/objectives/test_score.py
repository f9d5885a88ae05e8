import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import Calibration, InputError, Score, distance_at_far, score_embeddings

from . import oracle

Case = tuple[Tensor, Tensor]
EVERY_DTYPE = pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str
)


def _random(seed: int, n: int = 48, classes: int = 8, dim: int = 6) -> Case:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64), labels


def _clustered(seed: int, spread: float = 0.25) -> Case:
    embeddings, labels = _random(seed, classes=12)
    centres = torch.randn(12, 6, generator=torch.Generator().manual_seed(seed + 1)).double()
    widths = torch.linspace(0.2, 3, 12, dtype=torch.float64)[labels][:, None]
    return centres[labels] + spread * widths * embeddings, labels


def _few_classes(seed: int) -> Case:
    return _random(seed, n=30, classes=2)


def _some_singletons(seed: int) -> Case:
    embeddings, labels = _clustered(seed)
    return embeddings, torch.cat([labels[:30], 100 + torch.arange(18)])


def _only_singletons(seed: int) -> Case:
    embeddings, labels = _random(seed)
    return embeddings, torch.arange(len(labels))


def _duplicates(seed: int) -> Case:
    """Rows repeated within a class and across classes."""
    embeddings, labels = _random(seed)
    return embeddings[torch.arange(48) // 3 * 3], labels


def _identical(seed: int) -> Case:
    embeddings, labels = _random(seed)
    return embeddings[:1].expand(48, 6).clone(), labels


def _one_dimension(seed: int) -> Case:
    return _random(seed, dim=1)


def _narrow_cone(seed: int) -> Case:
    """Nearly collapsed: all within about 0.05 of one direction."""
    embeddings, labels = _clustered(seed)
    return 1 + 0.02 * embeddings, labels


def _nearly_collapsed(seed: int) -> Case:
    """All within about 0.003 of one direction."""
    embeddings, labels = _random(seed)
    return 1 + 1e-3 * embeddings, labels


CASES = [
    _random,
    _clustered,
    _few_classes,
    _some_singletons,
    _only_singletons,
    _duplicates,
    _identical,
    _one_dimension,
    _narrow_cone,
    _nearly_collapsed,
]


def _same_metrics(got: Score, wanted: Score) -> None:
    assert got.metrics() == pytest.approx(wanted.metrics(), rel=1e-9, abs=1e-12, nan_ok=True)


def _matches(got: Score, wanted: oracle.OracleScore) -> None:
    assert got.recall_at_1 == wanted.recall_at_1
    assert got.map_at_r == pytest.approx(wanted.map_at_r, rel=1e-12, nan_ok=True)
    assert got.d_min == pytest.approx(wanted.d_min, abs=2.1e-6)
    assert got.d_max == pytest.approx(wanted.d_max, abs=2.1e-6)
    assert got.opis == pytest.approx(wanted.opis, rel=0.01, abs=1e-12, nan_ok=True)
    assert got.opis_10 == pytest.approx(wanted.opis_10, rel=0.01, abs=1e-12, nan_ok=True)
    assert got.classes.tolist() == wanted.classes


@EVERY_DTYPE
@pytest.mark.parametrize("case", CASES)
def test_score_is_that_of_the_oracle(case: Callable[[int], Case], dtype: torch.dtype) -> None:
    embeddings, labels = case(3)
    _matches(
        score_embeddings(embeddings.to(dtype), labels), oracle.score(embeddings.to(dtype), labels)
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 30),
    dim=st.integers(2, 8),
    classes=st.integers(2, 9),
)
def test_score_of_any_layout_is_that_of_the_oracle(
    seed: int, n: int, dim: int, classes: int
) -> None:
    embeddings, labels = _random(seed, n=n, dim=dim, classes=classes)
    labels[0], labels[1] = 0, 1
    _matches(score_embeddings(embeddings, labels), oracle.score(embeddings, labels))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.integers(-1, 1), min_size=3, max_size=3).filter(any), min_size=3, max_size=14
    ),
    seed=st.integers(0, 99),
)
def test_retrieval_among_ties_is_that_of_the_oracle(rows: list[list[int]], seed: int) -> None:
    embeddings = torch.tensor(rows).double()
    labels = _random(seed, n=len(rows), classes=3)[1]
    got = score_embeddings(embeddings, labels)
    recall, precision = oracle.retrieval(oracle.distances(embeddings), labels.tolist())
    assert got.recall_at_1 == recall
    assert got.map_at_r == pytest.approx(precision, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("case", [_random, _clustered, _some_singletons, _few_classes])
def test_curves_are_those_of_the_oracle(case: Callable[[int], Case]) -> None:
    embeddings, labels = case(5)
    got = score_embeddings(embeddings, labels, Calibration(d_min=0.31, d_max=1.17))
    wanted = oracle.score(embeddings, labels, span=(0.31, 1.17))
    assert (got.d_min, got.d_max) == (0.31, 1.17)
    for name in ("thresholds", "far", "frr", "utility"):
        tensor = getattr(got, name)
        assert tensor.dtype == torch.float64
        torch.testing.assert_close(
            tensor, torch.from_numpy(getattr(wanted, name)), rtol=0, atol=1e-12, msg=name
        )
    assert got.opis == pytest.approx(wanted.opis, rel=1e-10)
    assert got.opis_10 == pytest.approx(wanted.opis_10, rel=1e-10)


def test_pooled_mean() -> None:
    embeddings, labels = _some_singletons(2)
    got = score_embeddings(embeddings, labels, Calibration(mean="pooled"))
    wanted = oracle.score(embeddings, labels, pooled=True)
    assert got.opis == pytest.approx(wanted.opis, rel=0.01)
    assert got.opis != pytest.approx(score_embeddings(embeddings, labels).opis, rel=0.01)
    assert got.opis_10 == pytest.approx(wanted.opis_10, rel=0.01)


def test_more_thresholds_and_other_fars() -> None:
    embeddings, labels = _clustered(7)
    calibration = Calibration(far_min=0.05, far_max=0.4, thresholds=333, operating_far=0.2)
    got = score_embeddings(embeddings, labels, calibration)
    wanted = oracle.score(embeddings, labels, fars=(0.05, 0.4), steps=333)
    _matches(got, wanted)
    assert len(got.thresholds) == 333
    assert got.utility.shape == (len(got.classes), 333)
    threshold = oracle.distance_at_far(oracle.distances(embeddings), labels.tolist(), 0.2)
    assert got.operating_threshold == pytest.approx(threshold, abs=2.1e-6)


@pytest.mark.parametrize("rows", [1, 7, 47])
def test_blocks_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = _some_singletons(1)
    whole = score_embeddings(embeddings, labels)
    monkeypatch.setattr("objectives.pairwise.similarity._BLOCK_BYTES", rows * 48 * 8)
    parts = score_embeddings(embeddings, labels)
    _same_metrics(parts, whole)
    torch.testing.assert_close(parts.utility, whole.utility, rtol=0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_order_rotation_and_scale_change_nothing(seed: int) -> None:
    embeddings, labels = _clustered(seed)
    wanted = score_embeddings(embeddings, labels)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(48, generator=generator)
    _same_metrics(score_embeddings(embeddings[order], labels[order]), wanted)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator).double()).Q
    _same_metrics(score_embeddings(embeddings @ rotation, labels), wanted)
    scales = torch.rand(48, 1, generator=generator).double().mul(20).sub(10).exp()
    _same_metrics(score_embeddings(embeddings * scales, labels), wanted)


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e200])
def test_extreme_scale_changes_nothing(scale: float) -> None:
    embeddings, labels = _clustered(0)
    _same_metrics(
        score_embeddings(embeddings * scale, labels), score_embeddings(embeddings, labels)
    )


@pytest.mark.parametrize("seed", range(3))
def test_equal_distances_stay_equal_when_rotated(seed: int) -> None:
    """All negatives lie at distance 1, so every class accepts all of them or none."""
    corners = torch.tensor([[1.0, 1, 0], [1, 0, 1], [0, 1, 1]]).double()
    embeddings = torch.nn.functional.pad(corners.repeat_interleave(4, 0), (0, 5))
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=generator).double()).Q
    got = score_embeddings(embeddings @ rotation, torch.arange(12) // 4)
    assert (got.opis, got.opis_10) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_duplicates_are_accepted_at_distance_zero(seed: int) -> None:
    embeddings = _random(seed, n=6, dim=16)[0].repeat_interleave(4, 0)
    labels = torch.arange(24) // 4
    got = score_embeddings(embeddings, labels, Calibration(d_min=0.0, d_max=0.01))
    assert not got.frr.any()
    assert got.opis == 0


def test_renaming_classes_changes_nothing() -> None:
    embeddings, labels = _clustered(4)
    names = torch.tensor([7, -3, 10**12, 0, 5, 1, -(10**9), 99, 2, 3, 4, 6])
    renamed = score_embeddings(embeddings, names[labels])
    _same_metrics(renamed, score_embeddings(embeddings, labels))
    counts = labels.bincount(minlength=12)
    assert renamed.classes.tolist() == sorted(names[counts > 1].tolist())
    _same_metrics(
        score_embeddings(embeddings, labels.to(torch.uint8)), score_embeddings(embeddings, labels)
    )


def test_inputs_are_left_alone() -> None:
    embeddings, labels = _random(0)
    embeddings.requires_grad_()
    before = embeddings.detach().clone(), labels.clone()
    got = score_embeddings(embeddings, labels)
    assert torch.equal(embeddings.detach(), before[0])
    assert torch.equal(labels, before[1])
    assert not got.utility.requires_grad


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.01, 2))
def test_scores_lie_in_their_ranges(seed: int, spread: float) -> None:
    got = score_embeddings(*_clustered(seed, spread))
    assert 0 <= got.recall_at_1 <= 1
    assert 0 <= got.map_at_r <= 1
    assert 0 <= got.opis <= 0.25
    assert 0 <= got.opis_10 <= 1
    assert 0 < got.d_min <= got.operating_threshold <= got.d_max <= 2
    assert bool(((got.utility >= 0) & (got.utility <= 1)).all())


def test_perfect_separation() -> None:
    embeddings = torch.eye(10).repeat_interleave(5, 0) + 0.01 * _random(0, n=50, dim=10)[0]
    got = score_embeddings(embeddings, torch.arange(50) // 5)
    assert got.recall_at_1 == got.map_at_r == 1


def test_classes_that_behave_alike_score_zero() -> None:
    """Classes that are rotated copies of one another, on a circle."""
    offsets = torch.tensor([0.0, 0.11, 0.37, 0.81]).double()
    angles = torch.arange(9).double()[:, None] * 2 * math.pi / 9 + offsets
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=-1).reshape(36, 2)
    got = score_embeddings(embeddings, torch.arange(36) // 4)
    assert got.d_min < got.d_max
    assert 0 < float(got.utility.mean()) < 1
    assert got.opis == pytest.approx(0, abs=1e-20)
    assert got.opis_10 == pytest.approx(0, abs=1e-20)


def test_collapsed_embeddings_earn_nothing() -> None:
    got = score_embeddings(torch.ones(20, 3), torch.arange(20) % 2)
    assert (got.recall_at_1, got.map_at_r, got.opis) == (0, 0, 0)
    assert not got.utility.any()


def test_one_class_has_no_calibration_range() -> None:
    embeddings = _random(0)[0]
    got = score_embeddings(embeddings, torch.zeros(48, dtype=torch.long))
    assert (got.recall_at_1, got.map_at_r) == (1, 1)
    undefined = ("opis", "opis_10", "d_min", "d_max", "operating_threshold")
    assert all(math.isnan(got.metrics()[name]) for name in undefined)
    for curve in (got.thresholds, got.far, got.frr, got.utility):
        assert bool(curve.isnan().all())


def test_singletons_have_no_utility() -> None:
    got = score_embeddings(*_only_singletons(0))
    assert got.recall_at_1 == 0
    assert all(math.isnan(value) for value in (got.map_at_r, got.opis, got.opis_10))
    assert got.d_min < got.d_max
    assert got.utility.shape == (0, 101)
    assert len(got.classes) == 0


def test_opposite_embeddings_stay_within_distance_two() -> None:
    embeddings = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    got = score_embeddings(embeddings, torch.tensor([0, 0, 1, 1]))
    assert got.d_min == got.d_max == got.operating_threshold == 2


def test_metrics_by_name() -> None:
    got = score_embeddings(*_random(0))
    names = [
        *("recall_at_1", "opis", "opis_floor", "opis_corrected", "opis_10", "map_at_r"),
        *("d_min", "d_max", "operating_threshold", "operating_far", "operating_frr"),
    ]
    assert list(got.metrics()) == names
    assert all(type(value) is float for value in got.metrics().values())


@pytest.mark.parametrize("case", [_random, _clustered, _duplicates, _some_singletons])
@pytest.mark.parametrize("far", [1e-6, 0.01, 0.1, 0.5, 0.999999])
def test_distance_at_far(case: Callable[[int], Case], far: float) -> None:
    embeddings, labels = case(11)
    distance = oracle.distances(embeddings)
    got = distance_at_far(embeddings, labels, far)
    assert got == pytest.approx(oracle.distance_at_far(distance, labels.tolist(), far), abs=2.1e-6)
    negatives = oracle.negative_distances(distance, labels.tolist())
    assert (negatives <= got).mean() >= far


def test_distance_at_far_without_negatives_is_nan() -> None:
    assert math.isnan(distance_at_far(torch.ones(3, 2), torch.zeros(3, dtype=torch.long), 0.1))


@pytest.mark.parametrize("far", [0.0, 1.0, -0.1, math.nan])
def test_distance_at_far_refuses(far: float) -> None:
    with pytest.raises(InputError, match=r"^far \("):
        distance_at_far(torch.ones(3, 2), torch.arange(3), far)


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (torch.ones(4), torch.arange(4), r"embeddings.*\(4,\)"),
        (torch.ones(4, 2, 2), torch.arange(4), r"embeddings.*\(4, 2, 2\)"),
        (torch.ones(4, 2, dtype=torch.long), torch.arange(4), "embeddings.*int64"),
        (torch.ones(4, 2, dtype=torch.complex64), torch.arange(4), "embeddings.*complex64"),
        (torch.ones(4, 2), torch.arange(3), "labels.*3 labels for 4"),
        (torch.ones(4, 2), torch.ones(4, 1).long(), r"labels.*\(4, 1\)"),
        (torch.ones(4, 2), torch.ones(4), "labels.*float32"),
        (torch.ones(1, 2), torch.arange(1), "labels.*two or more"),
        (torch.ones(0, 2), torch.arange(0), "labels.*two or more"),
        (torch.zeros(2, 3), torch.arange(2), r"embeddings: row 0 \(and 1 more\).*zeros"),
        (torch.tensor([[1.0, 2], [0, 0]]), torch.arange(2), "embeddings: row 1 is all zeros"),
        (torch.tensor([[1.0, 2], [math.nan, 0]]), torch.arange(2), "embeddings: row 1 holds NaN"),
        (torch.tensor([[math.inf, 2], [1, 0]]), torch.arange(2), "embeddings: row 0 .*infinity"),
    ],
)
def test_bad_input_is_refused(embeddings: Tensor, labels: Tensor, message: str) -> None:
    for call in (score_embeddings, lambda x, y: distance_at_far(x, y, 0.1)):
        with pytest.raises(InputError, match=message):
            call(embeddings, labels)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"far_min": 0.0}, r"far_min \(0.0\)"),
        ({"far_min": 0.1}, "far_max"),
        ({"far_max": 1.0}, r"far_max \(1.0\)"),
        ({"far_min": math.nan}, "far_min"),
        ({"operating_far": 0.0}, "operating_far"),
        ({"operating_far": 1.0}, "operating_far"),
        ({"thresholds": 100}, r"thresholds \(100\)"),
        ({"thresholds": 10_002}, r"thresholds \(10002\)"),
        ({"d_min": 0.5}, "d_min and d_max"),
        ({"d_max": 0.5}, "d_min and d_max"),
        ({"d_min": 0.5, "d_max": 0.5}, r"d_min \(0.5\)"),
        ({"d_min": -0.1, "d_max": 0.5}, r"d_min \(-0.1\)"),
        ({"d_min": 0.1, "d_max": 2.1}, r"d_max \(2.1\)"),
        ({"d_min": math.nan, "d_max": 1.0}, "d_min"),
        ({"mean": "median"}, "mean.*median"),
    ],
)
def test_bad_calibration_is_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Calibration(**settings_)  # type: ignore[arg-type]
