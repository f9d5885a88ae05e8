import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck

from trainer.losses import RecallAtKLoss, ranking, recall_at_k_loss

from .gradients import gradient
from .sizes import Sizes

K = (1, 2, 4, 8, 16)
LAYOUTS = {
    "one class": [3, 3, 3, 3],
    "no positives": [0, 1, 2, 3],
    "one pair among singletons": [0, 1, 7, 1, 2],
    "uneven and unsorted": [0, 1, 0, 2, 1, 0, 3, 0],
    "even": [0, 0, 1, 1, 2, 2],
    "one sample": [4],
}
every_layout = pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS.keys())


def random_embeddings(size: int, dim: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def unit(row: list[float]) -> list[float]:
    norm = math.hypot(*row)
    return [value / norm for value in row]


def dot(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def with_mixtures(
    rows: list[list[float]], labels: list[int], weights: list[float]
) -> tuple[list[list[float]], list[int]]:
    """The samples and one mixture of every two of a class, in the order of the pairs."""
    remaining = iter(weights)
    mixed, mixed_labels = list(rows), list(labels)
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            if labels[i] == labels[j]:
                a = next(remaining)
                mixed.append([a * x + (1 - a) * z for x, z in zip(rows[i], rows[j], strict=True)])
                mixed_labels.append(labels[i])
    assert next(remaining, None) is None
    return mixed, mixed_labels


def oracle(
    embeddings: Tensor,
    labels: list[int],
    *,
    k: tuple[int, ...] = K,
    temperature: float = 0.01,
    rank_temperature: float = 1.0,
    weights: list[float] | None = None,
    references: tuple[Tensor, list[int]] | None = None,
) -> float:
    """The definition, one query, k, positive and other sample at a time."""
    queries = [unit(row) for row in embeddings.tolist()]
    if weights is not None:
        queries, labels = with_mixtures(queries, labels, weights)
    rows, row_labels = queries, labels
    if references is not None:
        rows, row_labels = [unit(row) for row in references[0].tolist()], references[1]
    recalls = []
    for q, query in enumerate(queries):
        s = [dot(query, row) for row in rows]
        others = [j for j in range(len(rows)) if j != q or references]
        positives = [j for j in others if row_labels[j] == labels[q]]
        if not positives:
            continue
        for size in k:
            found = 0.0
            for p in positives:
                rank = 1 + sum(sigmoid((s[j] - s[p]) / temperature) for j in others if j != p)
                found += sigmoid((size - rank) / rank_temperature)
            recalls.append(min(1.0, found / min(size, len(positives))))
    return 1 - sum(recalls) / len(recalls) if recalls else 0.0


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    k=st.sampled_from([K, (1,), (3, 100), (2, 2, 10**6)]),
    temperature=st.sampled_from([0.01, 0.1, 1.0]),
    rank_temperature=st.sampled_from([0.1, 1.0, 4.0]),
    slack=st.none() | st.integers(0, 3),
)
def test_equals_the_loop_for_any_layout(
    labels: list[int],
    seed: int,
    k: tuple[int, ...],
    temperature: float,
    rank_temperature: float,
    slack: int | None,
) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    most = max(labels.count(label) for label in labels) - 1
    settings_: dict[str, Any] = {
        "k": k,
        "temperature": temperature,
        "rank_temperature": rank_temperature,
    }
    loss = recall_at_k_loss(
        embeddings,
        torch.tensor(labels),
        max_positives=None if slack is None else max(1, most + slack),
        **settings_,
    )
    assert loss.item() == pytest.approx(oracle(embeddings, labels, **settings_), abs=1e-10)
    assert 0 <= loss.item() <= 1


def drawn(labels: list[int], seed: int) -> list[float]:
    """The weights that mix-up draws, when it draws no more than it needs."""
    pairs = sum(labels[:i].count(label) for i, label in enumerate(labels))
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(pairs, 1, generator=generator, dtype=torch.float64).flatten().tolist()


@settings(deadline=None, max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=9),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0.01, 0.1, 1.0]),
)
def test_mixup_equals_the_loop_for_any_layout(
    labels: list[int], seed: int, temperature: float
) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    loss = recall_at_k_loss(
        embeddings,
        torch.tensor(labels),
        temperature=temperature,
        mixup=True,
        generator=torch.Generator().manual_seed(seed),
    )
    expected = oracle(embeddings, labels, temperature=temperature, weights=drawn(labels, seed))
    assert loss.item() == pytest.approx(expected, abs=1e-10)


@every_layout
@pytest.mark.parametrize("slack", [0, 1, 5])
def test_mixtures_left_over_change_nothing(
    labels: list[int], slack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a bound there are as many mixtures as a balanced batch would have.
    monkeypatch.setattr(torch, "rand", lambda *size, **_: 0.3 * torch.ones(*size).double())
    embeddings = random_embeddings(len(labels)).requires_grad_()
    bounded = random_embeddings(len(labels)).requires_grad_()
    most = max(1, max(labels.count(label) for label in labels) - 1) + slack
    expected = recall_at_k_loss(embeddings, torch.tensor(labels), temperature=0.1, mixup=True)
    loss = recall_at_k_loss(
        bounded, torch.tensor(labels), temperature=0.1, mixup=True, max_positives=most
    )
    expected.backward()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    torch.testing.assert_close(bounded.grad, embeddings.grad)


@every_layout
@pytest.mark.parametrize("mixup", [False, True])
@pytest.mark.parametrize("max_positives", [None, 5])
def test_gradients(labels: list[int], mixup: bool, max_positives: int | None) -> None:
    embeddings = random_embeddings(len(labels), dim=3, seed=1).requires_grad_()
    assert gradcheck(
        lambda e: recall_at_k_loss(
            e,
            torch.tensor(labels),
            temperature=0.2,
            mixup=mixup,
            generator=torch.Generator().manual_seed(3),
            max_positives=max_positives,
        ),
        (embeddings,),
    )


@settings(deadline=None, max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    ref_labels=st.lists(st.integers(0, 5), min_size=1, max_size=9),
    seed=st.integers(0, 99),
)
def test_references_equal_the_loop(labels: list[int], ref_labels: list[int], seed: int) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    references = random_embeddings(len(ref_labels), seed=seed + 100)
    loss = recall_at_k_loss(
        embeddings,
        torch.tensor(labels),
        temperature=0.1,
        ref_embeddings=references,
        ref_labels=torch.tensor(ref_labels),
    )
    expected = oracle(embeddings, labels, temperature=0.1, references=(references, ref_labels))
    assert loss.item() == pytest.approx(expected, abs=1e-10)


def test_gradients_of_references() -> None:
    labels, ref_labels = torch.tensor([3, 0, 0, 7]), torch.tensor([0, 1, 0, 3, 1, 0])
    embeddings = random_embeddings(4, dim=3, seed=1).requires_grad_()
    references = random_embeddings(6, dim=3, seed=2).requires_grad_()
    module = RecallAtKLoss(temperature=0.2)
    assert gradcheck(lambda e, r: module(e, labels, r, ref_labels), (embeddings, references))


def test_worked_by_hand() -> None:
    # Cosines to query 0: 0.6 (its positive), -0.28 and 0.8; to query 1: 0.6, 0.6 and 0.96.
    embeddings = torch.tensor(
        [[1.0, 0.0], [0.6, 0.8], [-0.28, 0.96], [0.8, 0.6]], dtype=torch.float64
    )
    # Ranks 2 and 2.5; at a low rank temperature, recall@1 is 0 and recall@4 is 1.
    loss = recall_at_k_loss(
        embeddings,
        torch.tensor([0, 0, 1, 2]),
        k=(1, 4),
        temperature=1e-3,
        rank_temperature=1e-2,
    )
    assert loss.item() == pytest.approx(0.5, abs=1e-9)


def test_a_capped_recall_has_no_gradient() -> None:
    # 15 positives that tie at rank 8 have sigmoids above 9 in all.
    embeddings = torch.ones(16, 3, dtype=torch.float64).requires_grad_()
    loss = recall_at_k_loss(embeddings, torch.zeros(16, dtype=torch.int64), k=(9,))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(gradient(embeddings), torch.zeros_like(embeddings))


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
@pytest.mark.parametrize("mixup", [False, True])
def test_without_positives_it_is_zero_and_connected(labels: list[int], mixup: bool) -> None:
    embeddings = torch.randn(len(labels), 4, requires_grad=True)
    loss = recall_at_k_loss(embeddings, torch.tensor(labels), mixup=mixup)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(gradient(embeddings), torch.zeros_like(embeddings))


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 2]])
@pytest.mark.parametrize("mixup", [False, True])
def test_duplicates_and_zero_vectors_have_finite_gradients(labels: list[int], mixup: bool) -> None:
    for embeddings in (torch.ones(4, 3), torch.zeros(4, 3)):
        embeddings.requires_grad_()
        loss = recall_at_k_loss(embeddings, torch.tensor(labels), mixup=mixup)
        loss.backward()
        assert loss.isfinite()
        assert gradient(embeddings).isfinite().all()


@pytest.mark.parametrize("rows", [1, 3, 7, 8])
def test_chunks_of_queries_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.tensor(LAYOUTS["uneven and unsorted"])
    whole = random_embeddings(8).requires_grad_()
    chunked = random_embeddings(8).requires_grad_()
    expected = recall_at_k_loss(whole, labels, temperature=0.1)
    expected.backward()
    monkeypatch.setattr(ranking, "_MAX_TRIPLES_CPU", rows * 8 * 3)
    loss = recall_at_k_loss(chunked, labels, temperature=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    torch.testing.assert_close(chunked.grad, whole.grad)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [1, 2, 0, 0, 0]])
@pytest.mark.parametrize("max_positives", [1, 2])
@pytest.mark.parametrize("mixup", [False, True])
def test_too_small_a_bound_is_nan_never_wrong(
    labels: list[int], max_positives: int, mixup: bool
) -> None:
    embeddings = torch.randn(len(labels), 3, requires_grad=True)
    loss = recall_at_k_loss(
        embeddings, torch.tensor(labels), mixup=mixup, max_positives=max_positives
    )
    enough = max(labels.count(label) for label in labels) - 1 <= max_positives
    assert loss.isfinite().item() is enough


@pytest.mark.parametrize("mixup", [False, True])
def test_half_precision_is_computed_in_float32(mixup: bool) -> None:
    embeddings = random_embeddings(12).bfloat16().requires_grad_()
    labels = torch.arange(12) // 3
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = recall_at_k_loss(embeddings, labels, mixup=mixup, generator=generators[0])
    loss.backward()
    single = embeddings.detach().float()
    expected = recall_at_k_loss(single, labels, mixup=mixup, generator=generators[1])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert gradient(embeddings).dtype == torch.bfloat16
    assert gradient(embeddings).isfinite().all()


@pytest.mark.parametrize("mixup", [False, True])
def test_a_nan_shows(mixup: bool) -> None:
    embeddings = torch.randn(6, 3)
    embeddings[2] = math.nan
    for labels in ([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 3, 4]):
        assert recall_at_k_loss(embeddings, torch.tensor(labels), mixup=mixup).isnan()


@pytest.mark.parametrize("mixup", [False, True])
def test_memory_is_quadratic_and_nothing_waits(mixup: bool) -> None:
    embeddings = torch.randn(64, 512, requires_grad=True)
    with Sizes() as sizes:
        recall_at_k_loss(embeddings, torch.arange(64) // 4, max_positives=3, mixup=mixup).backward()
    batch, positives = (160, 9) if mixup else (64, 3)
    assert sizes.largest <= max(batch * positives * batch, batch * 512)
    waits = {"_local_scalar_dense", "nonzero", "masked_select", "item"}
    assert not sizes.operations & waits


@pytest.mark.parametrize(("mixup", "max_positives"), [(False, None), (False, 3), (True, 3)])
def test_nothing_waits_for_a_cuda_device(mixup: bool, max_positives: int | None) -> None:
    # A fake device has no data: an operation that reads it raises.
    with FakeTensorMode():
        embeddings = torch.empty(8, 4, device="cuda")
        labels = torch.empty(8, dtype=torch.int64, device="cuda")
        loss = recall_at_k_loss(embeddings, labels, mixup=mixup, max_positives=max_positives)
        assert loss.shape == ()
        assert loss.device.type == "cuda"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"rank_temperature": math.inf}, "rank_temperature"),
        ({"k": ()}, "k "),
        ({"k": (1, 0)}, "k "),
        ({"max_positives": 0}, "max_positives"),
    ],
)
def test_wrong_settings_raise(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        recall_at_k_loss(torch.randn(2, 2), torch.tensor([0, 1]), **changes)
    with pytest.raises(ValueError, match=named):
        RecallAtKLoss(**changes)


def test_mixup_with_references_raises() -> None:
    embeddings, labels = torch.randn(4, 2), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="mix-up is within a batch"):
        recall_at_k_loss(
            embeddings, labels, mixup=True, ref_embeddings=embeddings, ref_labels=labels
        )


def test_module_is_the_function_and_mixes_in_training_only() -> None:
    embeddings, labels = random_embeddings(8), torch.arange(8) // 4
    settings_: dict[str, Any] = {
        "k": (1, 3),
        "temperature": 0.2,
        "rank_temperature": 2.0,
        "max_positives": 3,
    }
    module = RecallAtKLoss(mixup=True, **settings_)
    torch.manual_seed(5)
    mixed = module(embeddings, labels)
    expected = recall_at_k_loss(
        embeddings, labels, mixup=True, generator=torch.Generator().manual_seed(5), **settings_
    )
    assert mixed == expected
    assert module.eval()(embeddings, labels) == recall_at_k_loss(embeddings, labels, **settings_)
