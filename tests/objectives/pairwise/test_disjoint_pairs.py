import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives.pairwise import Classes, sampling_variance
from tests.objectives import oracle

STEPS = torch.tensor([0.3, 0.7, 1.0, 1.2, 1.6], dtype=torch.float64)


def _set(seed: int, labels: Tensor, dim: int = 3) -> Tensor:
    return torch.randn(
        len(labels), dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    least=st.integers(4, 6),
)
def test_variance_is_that_of_all_disjoint_pairs(sizes: list[int], seed: int, least: int) -> None:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    embeddings = _set(seed, labels)
    got = sampling_variance(embeddings, Classes.of(labels), STEPS, least=least)
    distance = oracle.distances(embeddings)
    plural = [name for name, size in enumerate(sizes) if size >= 2]
    assert got.shape == (len(plural), len(STEPS))
    for row, name in zip(got, plural, strict=True):
        if sizes[name] < least:
            assert bool(row.isnan().all())
            continue
        wanted = [
            oracle.sampling_variance(distance, name, labels.tolist(), float(d)) for d in STEPS
        ]
        assert row.tolist() == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4).filter(
        lambda shapes: any(q and g for q, g in shapes)
    ),
    seed=st.integers(0, 10**6),
)
def test_variance_of_queries_and_a_gallery(shapes: list[tuple[int, int]], seed: int) -> None:
    rows = [
        (name, asks)
        for name, shape in enumerate(shapes)
        for asks, n in zip((True, False), shape, strict=True)
        for _ in range(n)
    ]
    labels = torch.tensor([name for name, _ in rows])
    queries = torch.tensor([asks for _, asks in rows])
    embeddings = _set(seed, labels)
    got = sampling_variance(embeddings, Classes.of(labels, queries), STEPS, least=4)
    distance = oracle.distances(embeddings)
    plural = [name for name, (q, g) in enumerate(shapes) if q and g]
    for row, name in zip(got, plural, strict=True):
        if min(shapes[name]) < 2:
            assert bool(row.isnan().all())
            continue
        asking, shown = [
            [i for i, each in enumerate(rows) if each == (name, asks)] for asks in (True, False)
        ]
        wanted = [
            oracle.sampling_variance_between(distance, asking, shown, float(d)) for d in STEPS
        ]
        assert row.tolist() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("n", [4, 9])
def test_mean_is_how_much_sensitivities_vary(n: int) -> None:
    """Over 3 000 classes of one distribution; of independent pairs it would be far less."""
    labels = torch.arange(3000).repeat_interleave(n)
    embeddings = _set(0, labels) + torch.tensor([1.5, 0, 0]).double()
    steps = torch.tensor([0.6, 0.9, 1.2], dtype=torch.float64)
    got = sampling_variance(embeddings, Classes.of(labels), steps, least=4).mean(0).numpy()
    unit = torch.nn.functional.normalize(embeddings).view(3000, n, 3)
    distance = torch.cdist(unit, unit)[:, *torch.triu_indices(n, n, 1)]
    sens = (distance[..., None] <= steps).double().mean(1)
    assert got == pytest.approx(sens.var(0).numpy(), rel=0.1)
    naive = (sens.mean(0) * (1 - sens.mean(0)) * 2 / (n * (n - 1))).numpy()
    assert np.all(got > 1.3 * naive)


def test_some_samples_of_a_large_class_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(1000).repeat_interleave(20)
    embeddings = _set(1, labels) + torch.tensor([1.5, 0, 0]).double()
    classes = Classes.of(labels)
    whole = sampling_variance(embeddings, classes, STEPS, least=4)
    monkeypatch.setattr("objectives.pairwise.disjoint_pairs._MOST", 8)
    some = sampling_variance(embeddings, classes, STEPS, least=4)
    assert not torch.equal(some, whole)
    torch.testing.assert_close(some.mean(0), whole.mean(0), rtol=0.1, atol=1e-6)


@pytest.mark.parametrize("asks", [False, True])
def test_blocks_change_nothing(asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(20).repeat_interleave(6)
    embeddings, queries = _set(2, labels), torch.arange(120) % 2 == 0
    classes = Classes.of(labels, queries if asks else None)
    whole = sampling_variance(embeddings, classes, STEPS, least=4)
    monkeypatch.setattr("objectives.pairwise.disjoint_pairs._BLOCK_BYTES", 1000)
    parts = sampling_variance(embeddings, classes, STEPS, least=4)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-15)


def test_pairs_that_are_all_alike_do_not_vary() -> None:
    same = torch.ones(10, 4)
    steps = torch.tensor([0.0, 1e-9, 2.0], dtype=torch.float64)
    got = sampling_variance(same, Classes.of(torch.arange(10) // 5), steps, least=4)
    assert not got.any()
    corners = torch.cat([torch.eye(5), -torch.eye(5)])
    got = sampling_variance(corners, Classes.of(torch.arange(10) // 5), steps, least=4)
    assert not got.any()


@pytest.mark.gpu
def test_cuda_has_the_same_variances() -> None:
    labels = torch.arange(300).repeat_interleave(7)
    embeddings = _set(3, labels).float()
    wanted = sampling_variance(embeddings, Classes.of(labels), STEPS, least=4)
    got = sampling_variance(embeddings.cuda(), Classes.of(labels.cuda()), STEPS.cuda(), least=4)
    torch.testing.assert_close(got.cpu(), wanted, rtol=0, atol=1e-12)
