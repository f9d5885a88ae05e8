import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck

from trainer.losses import TCMLoss, tcm_loss

from .gradients import gradient
from .sizes import Sizes

LAYOUTS = st.lists(st.integers(0, 5), min_size=1, max_size=14)


def random_embeddings(size: int, dim: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def cosine(first: list[float], second: list[float]) -> float:
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / (math.hypot(*first) * math.hypot(*second))


def oracle(
    embeddings: Tensor,
    labels: list[int],
    margin_positive: float,
    margin_negative: float,
    weight_positive: float = 1.0,
    weight_negative: float = 1.0,
    references: tuple[Tensor, list[int]] | None = None,
) -> float:
    """Over unordered pairs, or those of a sample and a reference, one by one."""
    rows = embeddings.tolist()
    others, other_labels = (references[0].tolist(), references[1]) if references else (rows, labels)
    positives, negatives = [], []
    for i in range(len(rows)):
        for j in range(0 if references else i + 1, len(others)):
            s = cosine(rows[i], others[j])
            if labels[i] == other_labels[j] and s <= margin_positive:
                positives.append(margin_positive - s)
            if labels[i] != other_labels[j] and s >= margin_negative:
                negatives.append(s - margin_negative)
    loss = 0.0
    if positives:
        loss += weight_positive * sum(positives) / len(positives)
    if negatives:
        loss += weight_negative * sum(negatives) / len(negatives)
    return loss


@settings(deadline=None, max_examples=60)
@given(
    labels=LAYOUTS,
    seed=st.integers(0, 99),
    margins=st.sampled_from([(0.9, 0.5), (0.5, 0.0), (0.1, -0.3), (1.0, -1.0)]),
    weights=st.sampled_from([(1.0, 1.0), (0.0, 2.0), (0.3, 0.0), (0.0, 0.0)]),
)
def test_equals_the_loop_over_pairs_for_any_layout(
    labels: list[int], seed: int, margins: tuple[float, float], weights: tuple[float, float]
) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    loss = tcm_loss(
        embeddings,
        torch.tensor(labels),
        margin_positive=margins[0],
        margin_negative=margins[1],
        weight_positive=weights[0],
        weight_negative=weights[1],
    )
    assert loss.item() == pytest.approx(oracle(embeddings, labels, *margins, *weights), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(labels=LAYOUTS, ref_labels=LAYOUTS, seed=st.integers(0, 99))
def test_references_equal_the_loop(labels: list[int], ref_labels: list[int], seed: int) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    references = random_embeddings(len(ref_labels), seed=seed + 100)
    loss = tcm_loss(
        embeddings,
        torch.tensor(labels),
        margin_positive=0.5,
        margin_negative=0.0,
        weight_positive=0.3,
        ref_embeddings=references,
        ref_labels=torch.tensor(ref_labels),
    )
    expected = oracle(embeddings, labels, 0.5, 0.0, 0.3, references=(references, ref_labels))
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_a_reference_that_is_in_the_batch_too_is_a_pair() -> None:
    embeddings = torch.tensor([[0.0, 1.0]])
    loss = tcm_loss(
        embeddings,
        torch.tensor([0]),
        margin_positive=1.5,
        margin_negative=0.5,
        ref_embeddings=embeddings,
        ref_labels=torch.tensor([0]),
    )
    assert loss.item() == pytest.approx(0.5)


def test_gradients_of_references() -> None:
    labels, ref_labels = torch.tensor([3, 0, 0, 7]), torch.tensor([0, 1, 0, 3, 1, 0])
    embeddings = random_embeddings(4, dim=3, seed=1).requires_grad_()
    references = random_embeddings(6, dim=3, seed=2).requires_grad_()
    module = TCMLoss(margin_positive=0.7, margin_negative=0.1, weight_negative=1.7)
    assert gradcheck(lambda e, r: module(e, labels, r, ref_labels), (embeddings, references))
    assert gradcheck(lambda r: module(embeddings.detach(), labels, r, ref_labels), (references,))


def test_differentiating_twice_raises() -> None:
    embeddings = random_embeddings(6).requires_grad_()
    loss = tcm_loss(embeddings, torch.arange(6) // 3, margin_positive=0.9, margin_negative=0.0)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(loss, embeddings, create_graph=True)


def test_one_reference_argument_without_the_other_raises() -> None:
    with pytest.raises(ValueError, match="together"):
        tcm_loss(
            torch.randn(2, 2),
            torch.tensor([0, 1]),
            margin_positive=0.9,
            margin_negative=0.5,
            ref_labels=torch.tensor([0, 1]),
        )


def test_worked_by_hand() -> None:
    # Cosines to the first: 0.8 (positive, hard), 0.6 (negative, hard); 0.96 between the others.
    embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]) * torch.tensor(
        [[3], [0.1], [7]]
    )
    loss = tcm_loss(embeddings, torch.tensor([5, 5, 2]), margin_positive=0.9, margin_negative=0.5)
    assert loss.item() == pytest.approx(0.1 + (0.1 + 0.46) / 2, abs=1e-6)


def test_a_pair_exactly_at_a_margin_is_hard() -> None:
    # It adds 0 to the sum but 1 to the number of pairs, and a gradient.
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    same = tcm_loss(
        embeddings, torch.zeros(3, dtype=torch.int64), margin_positive=0.0, margin_negative=-0.5
    )
    different = tcm_loss(
        -embeddings.abs(), torch.tensor([0, 1, 2]), margin_positive=0.5, margin_negative=0.0
    )
    assert same.item() == pytest.approx(1 / 3)
    assert different.item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1, 2], [0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5]])
def test_gradients(labels: list[int]) -> None:
    embeddings = random_embeddings(6, dim=3, seed=4).requires_grad_()
    assert gradcheck(
        lambda e: tcm_loss(
            e,
            torch.tensor(labels),
            margin_positive=0.7,
            margin_negative=0.1,
            weight_positive=0.6,
            weight_negative=1.7,
        ),
        (embeddings,),
    )


@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]])
def test_without_hard_pairs_it_is_zero_and_connected(labels: list[int]) -> None:
    # All alike where they share a label, opposite ends where they do not.
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])[labels].requires_grad_()
    loss = tcm_loss(embeddings, torch.tensor(labels), margin_positive=0.9, margin_negative=0.5)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(gradient(embeddings), torch.zeros_like(embeddings))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    embeddings = random_embeddings(8).to(dtype).requires_grad_()
    labels = torch.arange(8) // 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tcm_loss(embeddings, labels, margin_positive=0.9, margin_negative=0.1)
    loss.backward()
    expected = oracle(embeddings.detach().double(), labels.tolist(), 0.9, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert gradient(embeddings).dtype == dtype


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 1, 2, 3], [0, 0, 0, 0]])
def test_a_nan_shows(labels: list[int]) -> None:
    embeddings = random_embeddings(4)
    embeddings[2] = math.nan
    loss = tcm_loss(embeddings, torch.tensor(labels), margin_positive=0.9, margin_negative=0.5)
    assert loss.isnan()


def test_zero_vectors_and_duplicates_have_finite_gradients() -> None:
    embeddings = torch.zeros(4, 3)
    embeddings[2:] = torch.tensor([1.0, 2.0, 3.0])
    embeddings.requires_grad_()
    tcm_loss(
        embeddings, torch.tensor([0, 1, 0, 1]), margin_positive=0.9, margin_negative=0.5
    ).backward()
    assert gradient(embeddings).isfinite().all()


def test_memory_is_quadratic_and_nothing_waits() -> None:
    embeddings = torch.randn(32, 256, requires_grad=True)
    with Sizes() as sizes:
        tcm_loss(
            embeddings, torch.arange(32) // 4, margin_positive=0.9, margin_negative=0.0
        ).backward()
    assert sizes.largest <= 32 * 256
    waits = {"_local_scalar_dense", "nonzero", "masked_select", "item"}
    assert not sizes.operations & waits


def test_nothing_waits_for_a_cuda_device() -> None:
    # A fake device has no data: an operation that reads it raises.
    with FakeTensorMode():
        embeddings = torch.empty(8, 4, device="cuda")
        labels = torch.empty(8, dtype=torch.int64, device="cuda")
        loss = tcm_loss(embeddings, labels, margin_positive=0.9, margin_negative=0.5)
        assert loss.shape == ()
        assert loss.device.type == "cuda"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"margin_positive": 0.5}, "margin_positive"),
        ({"margin_positive": math.nan}, "margin_positive"),
        ({"weight_positive": -1.0}, "weight_positive"),
        ({"weight_negative": math.nan}, "weight_negative"),
        ({"weight_negative": math.inf}, "weight_negative"),
    ],
)
def test_wrong_settings_raise(changes: dict[str, Any], named: str) -> None:
    settings_ = {"margin_positive": 0.9, "margin_negative": 0.5} | changes
    with pytest.raises(ValueError, match=named):
        tcm_loss(torch.randn(2, 2), torch.tensor([0, 1]), **settings_)
    with pytest.raises(ValueError, match=named):
        TCMLoss(**settings_)


@pytest.mark.parametrize(
    ("embeddings", "labels", "named"),
    [
        (torch.randn(4), torch.zeros(4, dtype=torch.int64), "embeddings"),
        (torch.empty(0, 3), torch.zeros(0, dtype=torch.int64), "embeddings"),
        (torch.ones(4, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), "embeddings"),
        (torch.randn(4, 2), torch.zeros(3, dtype=torch.int64), "labels"),
        (torch.randn(4, 2), torch.zeros(4, 1, dtype=torch.int64), "labels"),
        (torch.randn(4, 2), torch.zeros(4), "labels"),
    ],
)
def test_wrong_shapes_raise(embeddings: Tensor, labels: Tensor, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        tcm_loss(embeddings, labels, margin_positive=0.9, margin_negative=0.5)


def test_module_is_the_function() -> None:
    embeddings, labels = random_embeddings(8), torch.arange(8) // 4
    settings_: dict[str, Any] = {
        "margin_positive": 0.8,
        "margin_negative": 0.2,
        "weight_positive": 0.5,
        "weight_negative": 3.0,
    }
    assert TCMLoss(**settings_)(embeddings, labels) == tcm_loss(embeddings, labels, **settings_)
