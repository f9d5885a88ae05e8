import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SmoothAPLoss as ReferenceSmoothAPLoss
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck

from trainer.losses import SmoothAPLoss, ranking, smooth_ap_loss

from .gradients import gradient
from .sizes import Sizes

LAYOUTS = {
    "one class": [3, 3, 3, 3],
    "no positives": [0, 1, 2, 3],
    "one pair among singletons": [0, 1, 7, 1, 2],
    "uneven and unsorted": [0, 1, 0, 2, 1, 0, 3, 0],
    "even": [0, 0, 1, 1, 2, 2],
    "one sample": [4],
}


def random_embeddings(size: int, dim: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def near_perfect(labels: Tensor, dim: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.eye(dim)[labels] + 1e-3 * torch.randn(len(labels), dim, generator=generator)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def cosine(first: list[float], second: list[float]) -> float:
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / (math.hypot(*first) * math.hypot(*second))


def oracle(
    embeddings: Tensor,
    labels: list[int],
    temperature: float,
    *,
    with_query: bool = False,
    references: tuple[Tensor, list[int]] | None = None,
) -> float:
    """The definition, one query, positive and other sample at a time.

    ``with_query`` has each query in its own ranking, as its own positive.
    """
    queries = embeddings.tolist()
    rows, row_labels = (references[0].tolist(), references[1]) if references else (queries, labels)
    precisions = []
    for q, query in enumerate(queries):
        s = [cosine(query, row) for row in rows]
        others = [j for j in range(len(rows)) if j != q or with_query or references]
        positives = [j for j in others if row_labels[j] == labels[q]]
        if not positives:
            continue
        total = 0.0
        for p in positives:
            rank_positive, rank_all = 1.0, 1.0
            for j in others:
                if j == p:
                    continue
                above = sigmoid((s[j] - s[p]) / temperature)
                rank_all += above
                rank_positive += above if row_labels[j] == labels[q] else 0.0
            total += rank_positive / rank_all
        precisions.append(total / len(positives))
    return 1 - sum(precisions) / len(precisions) if precisions else 0.0


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0.01, 0.1, 1.0]),
    slack=st.none() | st.integers(0, 3),
)
def test_equals_the_loop_for_any_layout(
    labels: list[int], seed: int, temperature: float, slack: int | None
) -> None:
    embeddings = random_embeddings(len(labels), seed=seed)
    most = max(labels.count(label) for label in labels) - 1
    loss = smooth_ap_loss(
        embeddings,
        torch.tensor(labels),
        temperature=temperature,
        max_positives=None if slack is None else max(1, most + slack),
    )
    assert loss.item() == pytest.approx(oracle(embeddings, labels, temperature), abs=1e-10)


@settings(deadline=None, max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    ref_labels=st.lists(st.integers(0, 5), min_size=1, max_size=9),
    seed=st.integers(0, 99),
    bounded=st.booleans(),
)
def test_references_equal_the_loop(
    labels: list[int], ref_labels: list[int], seed: int, bounded: bool
) -> None:
    embeddings, references = (
        random_embeddings(len(part), seed=seed + start)
        for part, start in ((labels, 0), (ref_labels, 100))
    )
    loss = smooth_ap_loss(
        embeddings,
        torch.tensor(labels),
        temperature=0.1,
        max_positives=9 if bounded else None,
        ref_embeddings=references,
        ref_labels=torch.tensor(ref_labels),
    )
    expected = oracle(embeddings, labels, 0.1, references=(references, ref_labels))
    assert loss.item() == pytest.approx(expected, abs=1e-10)


def test_gradients_of_references() -> None:
    labels, ref_labels = torch.tensor([3, 0, 0, 7]), torch.tensor([0, 1, 0, 3, 1, 0])
    embeddings = random_embeddings(4, dim=3, seed=1).requires_grad_()
    references = random_embeddings(6, dim=3, seed=2).requires_grad_()
    module = SmoothAPLoss(temperature=0.2)
    assert gradcheck(lambda e, r: module(e, labels, r, ref_labels), (embeddings, references))
    assert gradcheck(lambda e: module(e, labels, references.detach(), ref_labels), (embeddings,))
    assert gradcheck(lambda r: module(embeddings.detach(), labels, r, ref_labels), (references,))


def test_references_in_double_make_the_loss_double() -> None:
    embeddings, labels = random_embeddings(4).float().requires_grad_(), torch.tensor([0, 0, 1, 1])
    loss = smooth_ap_loss(
        embeddings, labels, ref_embeddings=random_embeddings(4, seed=1), ref_labels=labels
    )
    loss.backward()
    assert loss.dtype == torch.float64
    assert gradient(embeddings).dtype == torch.float32


def test_differentiating_twice_raises() -> None:
    embeddings = random_embeddings(6).requires_grad_()
    loss = smooth_ap_loss(embeddings, torch.arange(6) // 3, temperature=0.1)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(loss, embeddings, create_graph=True)


def test_autocast_does_not_reach_the_backward_pass() -> None:
    labels = torch.arange(8) // 2
    plain, autocast = (random_embeddings(8).float().requires_grad_() for _ in range(2))
    smooth_ap_loss(plain, labels, temperature=0.1).backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        smooth_ap_loss(autocast, labels, temperature=0.1).backward()
    assert torch.equal(gradient(plain), gradient(autocast))


@pytest.mark.parametrize("extreme", [2**62, -(2**63) + 1])
def test_any_integers_are_labels(extreme: int) -> None:
    embeddings = random_embeddings(5)
    loss = smooth_ap_loss(embeddings, torch.tensor([extreme, 3, extreme, 3, 3]))
    assert loss == smooth_ap_loss(embeddings, torch.tensor([0, 1, 0, 1, 1]))
    small = smooth_ap_loss(embeddings, torch.tensor([9, 200, 9, 200, 200], dtype=torch.uint8))
    assert loss == small


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("max_positives", [None, 5])
def test_gradients(labels: list[int], max_positives: int | None) -> None:
    embeddings = random_embeddings(len(labels), dim=3, seed=1).requires_grad_()
    assert gradcheck(
        lambda e: smooth_ap_loss(
            e, torch.tensor(labels), temperature=0.2, max_positives=max_positives
        ),
        (embeddings,),
    )


def test_worked_by_hand() -> None:
    embeddings = torch.tensor(
        [[1.0, 0.0], [0.6, 0.8], [-0.28, 0.96], [0.8, 0.6]], dtype=torch.float64
    )
    # Query 0: its positive at 0.6; negatives at -0.28 (below) and 0.8 (above): 1 - 1 / 2.
    # Query 1: its positive at 0.6; negatives at 0.6 (a tie) and 0.96 (above): 1 - 1 / 2.5.
    # Queries 2 and 3 have no positive.
    loss = smooth_ap_loss(embeddings, torch.tensor([0, 0, 1, 2]), temperature=1e-3)
    assert loss.item() == pytest.approx((0.5 + 0.6) / 2, abs=1e-9)


def test_batches_that_are_not_square_are_right() -> None:
    # pytorch-metric-learning 2.9.0 reshapes as if classes and samples per class were as many.
    labels = torch.arange(32) // 4
    embeddings = near_perfect(labels)
    assert smooth_ap_loss(embeddings, labels).item() == pytest.approx(0.0, abs=1e-6)
    assert ReferenceSmoothAPLoss()(embeddings, labels).item() > 0.3


def test_pytorch_metric_learning_ranks_the_query_itself() -> None:
    # Where its layout is right, the only difference is this convention.
    labels = torch.arange(16) // 4
    embeddings = random_embeddings(16, seed=3).float()
    reference = ReferenceSmoothAPLoss(temperature=0.05)(embeddings, labels).item()
    loss = smooth_ap_loss(embeddings, labels, temperature=0.05).item()
    known = embeddings.double(), labels.tolist(), 0.05
    assert reference == pytest.approx(oracle(*known, with_query=True), abs=1e-5)
    assert loss == pytest.approx(oracle(*known), abs=1e-5)
    assert loss > reference + 0.1


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_without_positives_it_is_zero_and_connected(labels: list[int]) -> None:
    embeddings = torch.randn(len(labels), 4, requires_grad=True)
    loss = smooth_ap_loss(embeddings, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(gradient(embeddings), torch.zeros_like(embeddings))


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 2]])
def test_duplicates_and_zero_vectors_have_finite_gradients(labels: list[int]) -> None:
    for embeddings in (torch.ones(4, 3), torch.zeros(4, 3)):
        embeddings.requires_grad_()
        loss = smooth_ap_loss(embeddings, torch.tensor(labels))
        loss.backward()
        assert loss.item() == pytest.approx(oracle(torch.ones(4, 3), labels, 0.01), abs=1e-5)
        assert gradient(embeddings).isfinite().all()


@pytest.mark.parametrize("rows", [1, 3, 7, 8])
def test_chunks_of_queries_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.tensor(LAYOUTS["uneven and unsorted"])
    whole = random_embeddings(8).requires_grad_()
    chunked = random_embeddings(8).requires_grad_()
    expected = smooth_ap_loss(whole, labels, temperature=0.1)
    expected.backward()
    monkeypatch.setattr(ranking, "_MAX_TRIPLES_CPU", rows * 8 * 2)
    loss = smooth_ap_loss(chunked, labels, temperature=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    torch.testing.assert_close(chunked.grad, whole.grad)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]])
@pytest.mark.parametrize("max_positives", [1, 2])
def test_too_small_a_bound_is_nan_never_wrong(labels: list[int], max_positives: int) -> None:
    embeddings = torch.randn(4, 3, requires_grad=True)
    loss = smooth_ap_loss(embeddings, torch.tensor(labels), max_positives=max_positives)
    enough = max(labels.count(label) for label in labels) - 1 <= max_positives
    assert loss.isfinite().item() is enough
    loss.backward()
    assert gradient(embeddings).isfinite().all().item() is enough


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    embeddings = random_embeddings(12).to(dtype).requires_grad_()
    labels = torch.arange(12) // 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = smooth_ap_loss(embeddings, labels, temperature=0.05)
    loss.backward()
    expected = oracle(embeddings.detach().double(), labels.tolist(), 0.05)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    assert gradient(embeddings).dtype == dtype
    assert gradient(embeddings).isfinite().all()


def test_a_nan_shows() -> None:
    embeddings = torch.randn(6, 3)
    embeddings[2] = math.nan
    for labels in ([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]):
        loss = smooth_ap_loss(embeddings, torch.tensor(labels))
        assert loss.isnan().item() is (len(set(labels)) < 6)


def test_memory_is_batch_by_positives_by_batch_and_nothing_waits() -> None:
    embeddings = torch.randn(64, 16, requires_grad=True)
    with Sizes() as sizes:
        smooth_ap_loss(embeddings, torch.arange(64) // 4, max_positives=3).backward()
    assert sizes.largest <= 64 * 3 * 64
    waits = {"_local_scalar_dense", "nonzero", "masked_select", "item"}
    assert not sizes.operations & waits


def test_chunks_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_MAX_TRIPLES_CPU", 4096)
    embeddings = torch.randn(64, 16, requires_grad=True)
    with Sizes() as sizes:
        smooth_ap_loss(embeddings, torch.zeros(64, dtype=torch.int64)).backward()
    assert sizes.largest <= 4096


@pytest.mark.parametrize("max_positives", [None, 3])
def test_nothing_waits_for_a_cuda_device(max_positives: int | None) -> None:
    # A fake device has no data: an operation that reads it raises.
    with FakeTensorMode():
        embeddings = torch.empty(8, 4, device="cuda")
        labels = torch.empty(8, dtype=torch.int64, device="cuda")
        both: list[dict[str, Any]] = [{}, {"ref_embeddings": embeddings, "ref_labels": labels}]
        for references in both:
            loss = smooth_ap_loss(embeddings, labels, max_positives=max_positives, **references)
            assert loss.shape == ()
            assert loss.device.type == "cuda"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"max_positives": 0}, "max_positives"),
    ],
)
def test_wrong_settings_raise(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        smooth_ap_loss(torch.randn(2, 2), torch.tensor([0, 1]), **changes)
    with pytest.raises(ValueError, match=named):
        SmoothAPLoss(**changes)


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ValueError, match="embeddings"):
        smooth_ap_loss(torch.randn(4), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels"):
        smooth_ap_loss(torch.randn(4, 2), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("references", "named"),
    [
        ({"ref_embeddings": torch.randn(3, 2)}, "together"),
        ({"ref_labels": torch.zeros(3, dtype=torch.int64)}, "together"),
        (
            {"ref_embeddings": torch.randn(3, 5), "ref_labels": torch.zeros(3, dtype=torch.int64)},
            "2 columns .* not 5",
        ),
        (
            {"ref_embeddings": torch.randn(3, 2), "ref_labels": torch.zeros(4, dtype=torch.int64)},
            "ref_labels must be 3",
        ),
        (
            {"ref_embeddings": torch.randn(0, 2), "ref_labels": torch.zeros(0, dtype=torch.int64)},
            "ref_embeddings must be",
        ),
    ],
)
def test_wrong_references_raise(references: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        smooth_ap_loss(torch.randn(4, 2), torch.zeros(4, dtype=torch.int64), **references)


def test_module_is_the_function() -> None:
    embeddings, labels = random_embeddings(8), torch.arange(8) // 4
    module = SmoothAPLoss(temperature=0.2, max_positives=3)
    expected = smooth_ap_loss(embeddings, labels, temperature=0.2, max_positives=3)
    assert module(embeddings, labels) == expected
