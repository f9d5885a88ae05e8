import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainer import TrialConfig, build_loss
from trainer.gradient_cache import backward_in_micro_batches

Loss = Callable[[Tensor], Tensor]


def net(*, norm: bool = False, dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
    """Images of 1 x 8 x 8 to 8 features."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


def norm_of(model: nn.Sequential) -> nn.BatchNorm2d:
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    return norm


def running(norm: nn.BatchNorm2d, statistic: str) -> Tensor:
    found = getattr(norm, f"running_{statistic}")
    assert isinstance(found, Tensor)
    return found


def images(count: int) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def labels(count: int, per_class: int = 4) -> Tensor:
    return torch.arange(count) // per_class


def loss_of(name: str, count: int) -> nn.Module:
    torch.manual_seed(5)
    config = TrialConfig(loss=name, embedding_dim=8)
    return build_loss(config, num_classes=math.ceil(count / 4))


def gradients(*modules: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for module in modules for p in module.parameters() if p.grad is not None]


def cached(model: nn.Module, batch: Tensor, loss: Loss, size: int) -> Tensor:
    return backward_in_micro_batches(
        model, lambda rows: model(batch[rows]), loss, batch_size=len(batch), micro_batch_size=size
    )


def in_one_graph(model: nn.Module, batch: Tensor, loss: Loss, sizes: list[int]) -> Tensor:
    """The oracle: each part by itself, all their graphs kept, one backward pass."""
    value = loss(torch.cat([model(part) for part in batch.split(sizes)]))
    value.backward()
    return value.detach()


def assert_near(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= tolerance * max(1.0, float(other.abs().max()))


@settings(deadline=None, max_examples=40)
@given(count=st.integers(2, 24), size=st.integers(1, 30), seed=st.integers(0, 99))
def test_gradients_are_those_of_the_whole_batch(count: int, size: int, seed: int) -> None:
    model, batch = net(seed=seed).double(), images(count).double()
    weights = torch.randn(count, count, generator=torch.Generator().manual_seed(seed)).double()

    def loss(embeddings: Tensor) -> Tensor:
        return ((embeddings @ embeddings.T).sin() * weights).sum()

    expected_value = in_one_graph(model, batch, loss, [count])
    expected = gradients(model)
    model.zero_grad()
    value = cached(model, batch, loss, size)
    assert not value.requires_grad
    assert value.item() == pytest.approx(expected_value.item(), rel=1e-9)
    assert_near(gradients(model), expected, 1e-9)


@pytest.mark.parametrize("name", ["smooth_ap", "proxy_anchor", "arcface", "multi_similarity"])
@pytest.mark.parametrize("size", [2, 5, 16])
def test_the_losses_and_their_proxies(name: str, size: int) -> None:
    model, loss, batch = net(), loss_of(name, 32), images(32)
    expected_value = in_one_graph(model, batch, lambda e: loss(e, labels(32)), [32])
    expected = gradients(model, loss)
    assert len(expected) == 4 + (name in ("proxy_anchor", "arcface"))
    model.zero_grad()
    loss.zero_grad()
    value = cached(model, batch, lambda e: loss(e, labels(32)), size)
    assert value.item() == pytest.approx(expected_value.item(), rel=1e-5)
    assert_near(gradients(model, loss), expected, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_of_4000_in_parts_of_256(dtype: torch.dtype) -> None:
    model, loss = net().to(dtype), loss_of("proxy_anchor", 4000).to(dtype)
    batch, seen = images(4000).to(dtype), list[int]()
    in_one_graph(model, batch, lambda e: loss(e, labels(4000)), [4000])
    expected = gradients(model, loss)
    model.zero_grad()
    loss.zero_grad()
    model.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    cached(model, batch, lambda e: loss(e, labels(4000)), 256)
    assert_near(gradients(model, loss), expected, 1e-5)
    # Sixteen equal parts, each of them twice.
    assert seen == [250] * 32


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        (16, 16, [16]),
        (16, 99, [16]),
        (17, 16, [8, 9]),
        (16, 5, [4, 4, 4, 4]),
        (10, 4, [3, 3, 4]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_parts_are_even_and_in_order(count: int, size: int, sizes: list[int]) -> None:
    model, batch, asked = net(), images(count), list[slice]()

    def embed(rows: slice) -> Tensor:
        asked.append(rows)
        embeddings: Tensor = model(batch[rows])
        return embeddings

    backward_in_micro_batches(model, embed, torch.sum, batch_size=count, micro_batch_size=size)
    assert [rows.stop - rows.start for rows in asked] == sizes * 2
    assert [row for rows in asked for row in range(count)[rows]] == [*range(count)] * 2


@pytest.mark.parametrize("noisy_loss", [False, True])
def test_random_layers_see_the_same_draws_twice(noisy_loss: bool) -> None:
    model, batch = net(dropout=0.5), images(12)
    seen: list[Tensor] = []
    model.register_forward_hook(lambda *args: seen.append(args[2].detach()))

    def loss(embeddings: Tensor) -> Tensor:
        noise = torch.rand(()) if noisy_loss else 1
        return embeddings.cos().prod(1).sum() * noise

    torch.manual_seed(9)
    expected_value = in_one_graph(model, batch, loss, [4, 4, 4])
    expected, following = gradients(model), torch.rand(3)
    model.zero_grad()
    seen.clear()
    torch.manual_seed(9)
    value = cached(model, batch, loss, 4)
    assert torch.equal(torch.rand(3), following)
    assert value.item() == pytest.approx(expected_value.item())
    assert_near(gradients(model), expected, 1e-6)
    assert all(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))
    assert not torch.equal(seen[0], seen[1])


def test_batch_norm_normalises_each_part_by_itself() -> None:
    model, batch = net(norm=True), images(12)
    in_one_graph(model, batch, lambda e: e.sin().sum(), [4, 4, 4])
    expected = gradients(model)
    model.zero_grad()
    cached(model, batch, lambda e: e.sin().sum(), 4)
    assert_near(gradients(model), expected, 1e-6)


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
@pytest.mark.parametrize(("count", "size"), [(12, 4), (10, 4), (12, 12)])
def test_running_statistics_move_once(momentum: float | None, count: int, size: int) -> None:
    model, batch = net(norm=True), images(count)
    norm = norm_of(model)
    norm.momentum = momentum
    running(norm, "mean").fill_(3.0)
    tracked = norm.num_batches_tracked
    assert tracked is not None
    tracked.fill_(4)
    parts: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, args: parts.append(args[0].detach()))
    cached(model, batch, torch.sum, size)
    first_pass = parts[: len(parts) // 2]
    rate = 1 / 5 if momentum is None else momentum
    means, variances = torch.zeros(4), torch.zeros(4)
    for part in first_pass:
        rows = part.transpose(0, 1).flatten(1)
        means += rows.mean(1) * len(part) / count
        variances += rows.var(1) * len(part) / count
    assert torch.allclose(running(norm, "mean"), (1 - rate) * 3 + rate * means, atol=1e-6)
    assert torch.allclose(running(norm, "var"), (1 - rate) * 1 + rate * variances, atol=1e-6)
    assert tracked.item() == 5


def test_running_means_are_those_of_the_whole_batch() -> None:
    one, other, batch = net(norm=True), net(norm=True), images(10)
    one(batch)
    cached(other, batch, torch.sum, 4)
    assert torch.allclose(running(norm_of(one), "mean"), running(norm_of(other), "mean"), atol=1e-6)
    before = running(norm_of(other), "mean").clone()
    other.eval()
    cached(other, batch, torch.sum, 4)
    assert torch.equal(running(norm_of(other), "mean"), before)


def test_a_loss_that_does_not_depend_on_the_embeddings() -> None:
    model, scale = net(), torch.ones((), requires_grad=True)
    assert cached(model, images(6), lambda _: scale * 2, 2).item() == 2
    assert scale.grad == 2
    assert all((gradient == 0).all() for gradient in gradients(model))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_random_layers_see_the_same_draws_twice_on_cuda() -> None:
    model, batch = net(dropout=0.5).cuda(), images(12).cuda()
    seen: list[Tensor] = []
    model.register_forward_hook(lambda *args: seen.append(args[2].detach()))
    torch.manual_seed(9)
    in_one_graph(model, batch, lambda e: e.sin().sum(), [4, 4, 4])
    expected, following = gradients(model), torch.rand(3, device="cuda")
    model.zero_grad()
    seen.clear()
    torch.manual_seed(9)
    cached(model, batch, lambda e: e.sin().sum(), 4)
    assert torch.equal(torch.rand(3, device="cuda"), following)
    assert_near(gradients(model), expected, 1e-5)
    assert all(torch.allclose(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))
