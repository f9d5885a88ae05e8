import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import NTXentLoss as ReferenceNTXentLoss
from torch import Tensor
from torch.autograd import gradcheck

from trainer.losses import NTXentLoss, nt_xent_loss

from .gradients import gradient
from .sizes import Sizes


def random_embeddings(size: int, dim: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def cosine(first: list[float], second: list[float]) -> float:
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / (math.hypot(*first) * math.hypot(*second))


def oracle(embeddings: Tensor, labels: list[int], temperature: float) -> float:
    """The definition, one pair at a time."""
    rows, losses = embeddings.tolist(), list[float]()
    for q, query in enumerate(rows):
        s = [cosine(query, row) / temperature for row in rows]
        negatives = sum(math.exp(s[n]) for n in range(len(rows)) if labels[n] != labels[q])
        positives = [p for p in range(len(rows)) if p != q and labels[p] == labels[q]]
        losses += [-math.log(math.exp(s[p]) / (math.exp(s[p]) + negatives)) for p in positives]
    return sum(losses) / len(losses) if losses else 0.0


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0.05, 0.1, 1.0]),
)
def test_equals_the_loop_for_any_layout(labels: list[int], seed: int, temperature: float) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    loss = nt_xent_loss(embeddings, torch.tensor(labels), temperature=temperature)
    assert loss.item() == pytest.approx(oracle(embeddings, labels, temperature), abs=1e-10)


@settings(deadline=None, max_examples=20)
@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=8), seed=st.integers(0, 99))
def test_gradients(labels: list[int], seed: int) -> None:
    embeddings = random_embeddings(len(labels), dim=3, seed=seed).requires_grad_()
    assert gradcheck(lambda e: NTXentLoss(temperature=0.3)(e, torch.tensor(labels)), (embeddings,))


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 1, 0, 2, 1, 0, 3]])
def test_equals_the_reference_and_its_gradients(labels: list[int]) -> None:
    ours, theirs = (random_embeddings(len(labels)).float().requires_grad_() for _ in range(2))
    loss = nt_xent_loss(ours, torch.tensor(labels), temperature=0.2)
    expected = ReferenceNTXentLoss(temperature=0.2)(theirs, torch.tensor(labels))
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(gradient(ours), gradient(theirs), atol=1e-5)


def slots(embeddings: Tensor, temperature: float) -> Tensor:
    """The form of Ermolov et al. for classes of two, one after the other, as a mean."""
    first, second = torch.nn.functional.normalize(embeddings, dim=1).view(-1, 2, 6).unbind(1)
    found = []
    for x, y in ((first, second), (second, first)):
        others = (x @ x.T / temperature).fill_diagonal_(-math.inf)
        logits = torch.cat([x @ y.T / temperature, others], dim=1)
        found.append(torch.nn.functional.cross_entropy(logits, torch.arange(len(x))))
    return torch.stack(found).mean()


def test_at_two_samples_a_class_it_is_the_published_form() -> None:
    embeddings = random_embeddings(12, seed=3)
    labels = torch.arange(6).repeat_interleave(2)
    loss = nt_xent_loss(embeddings, labels, temperature=0.1)
    assert loss.item() == pytest.approx(slots(embeddings, 0.1).item(), rel=1e-12)


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [4, 4, 4]])
def test_no_pair_or_no_negative_is_no_loss(labels: list[int]) -> None:
    embeddings = random_embeddings(len(labels)).requires_grad_()
    loss = nt_xent_loss(embeddings, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert (gradient(embeddings) == 0).all()


def test_opposite_embeddings_at_a_low_temperature_stay_finite() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 1e-4]], requires_grad=True)
    loss = nt_xent_loss(embeddings, torch.tensor([0, 0, 1]), temperature=1e-3)
    loss.backward()
    assert loss.item() == pytest.approx(1000 + math.log(2) / 2, abs=1e-2)
    assert gradient(embeddings).isfinite().all()


def test_a_nan_shows() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [math.nan, 0.0], [0.0, 1.0]])
    assert nt_xent_loss(embeddings, torch.tensor([0, 0, 1])).isnan()


def test_memory_is_that_of_the_similarities() -> None:
    embeddings, labels = random_embeddings(90), torch.arange(10).repeat_interleave(9)
    with Sizes() as sizes:
        nt_xent_loss(embeddings, labels)
    assert sizes.largest == 90 * 90
    with Sizes() as sizes:
        ReferenceNTXentLoss()(embeddings, labels)
    assert sizes.largest > 720 * 7000


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_out_of_range_raises(temperature: float) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        NTXentLoss(temperature=temperature)
