from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd import gradcheck

from trainer.losses import similarity, smooth_ap_loss, tcm_loss
from trainer.losses.similarity import unit_pairs

from .gradients import gradient


def random_embeddings(size: int, dim: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def unit(embeddings: Tensor) -> Tensor:
    labels = torch.zeros(len(embeddings), dtype=torch.int64)
    return unit_pairs(embeddings, labels, None, None).queries


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rows_are_normalised_as_torch_does(scale: float) -> None:
    rows = (random_embeddings(5, 3) * scale).requires_grad_()
    assert torch.equal(unit(rows), F.normalize(rows))
    weights = random_embeddings(5, 3, seed=1)
    (ours,) = torch.autograd.grad((unit(rows) * weights).sum(), rows)
    (theirs,) = torch.autograd.grad((F.normalize(rows) * weights).sum(), rows)
    torch.testing.assert_close(ours, theirs)
    assert gradcheck(unit, (rows.detach() / scale).requires_grad_())


def test_rows_of_zeros_stay_and_have_finite_gradients() -> None:
    rows = torch.zeros(2, 3, requires_grad=True)
    unit(rows).sum().backward()
    assert torch.equal(unit(rows), torch.zeros(2, 3))
    assert gradient(rows).isfinite().all()


@pytest.mark.parametrize("size", [1, 2, 6, 7])
def test_products_in_quarters_are_the_products(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_SMALLEST_HALF", 1)
    rows = random_embeddings(size, 4)
    products = similarity._gram(rows)
    torch.testing.assert_close(products, rows @ rows.T)
    assert torch.equal(products, products.T)
    labels = torch.arange(size) // 2
    assert gradcheck(lambda e: smooth_ap_loss(e, labels, temperature=0.2), rows.requires_grad_())


def test_a_batch_of_any_kind_is_left_as_it_was() -> None:
    embeddings, labels = random_embeddings(300, 200).requires_grad_(), torch.arange(300) // 3
    before = embeddings.detach().clone(), labels.clone()
    loss = smooth_ap_loss(embeddings, labels) + tcm_loss(
        embeddings, labels, margin_positive=0.9, margin_negative=0.0
    )
    loss.backward()
    assert torch.equal(embeddings.detach(), before[0])
    assert torch.equal(labels, before[1])


def test_both_passes_of_two_losses_share_a_batch() -> None:
    # Each works on similarities of its own, which it overwrites.
    embeddings, labels = random_embeddings(8, 3).requires_grad_(), torch.arange(8) // 4
    margins: dict[str, Any] = {"margin_positive": 0.9, "margin_negative": 0.0}
    first = smooth_ap_loss(embeddings, labels, temperature=0.1)
    second = tcm_loss(embeddings, labels, **margins)
    (together,) = torch.autograd.grad(first + second, embeddings, retain_graph=True)
    (again,) = torch.autograd.grad(first + second, embeddings)
    (alone,) = torch.autograd.grad(smooth_ap_loss(embeddings, labels, temperature=0.1), embeddings)
    (other,) = torch.autograd.grad(tcm_loss(embeddings, labels, **margins), embeddings)
    torch.testing.assert_close(together, alone + other)
    assert torch.equal(together, again)
