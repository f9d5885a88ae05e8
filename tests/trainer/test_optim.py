import math
from typing import Any

import pytest
import torch

from trainer import SplitDataset, TrainingRun
from trainer.optim import clip_gradients

from .data.pixels import pixels_of
from .factories import MakeConfig, MakeData, MakeRun
from .losses.gradients import gradient
from .steps import train_on


def part(trial: TrainingRun, *, trunk: bool) -> dict[str, torch.Tensor]:
    """What there is of the trunk, or of all else, bit by bit."""
    state = trial.embedder.state_dict()
    return {k: v.clone() for k, v in state.items() if k.startswith("trunk.") == trunk}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


KINDS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("optimizer", KINDS)
@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_rates_and_decay_of_every_parameter(
    backbone: str,
    optimizer: str,
    make_config: MakeConfig,
    make_trial: MakeRun,
    make_data: MakeData,
) -> None:
    config = make_config(
        backbone=backbone,
        optimizer=optimizer,
        loss="proxy_anchor",
        pooling="gem" if backbone == "test_resnet" else "default",
        head_layer_norm=True,
        learning_rate=0.01,
        trunk_learning_rate_factor=0.3,
        proxy_learning_rate_factor=100,
        weight_decay=0.03,
        warmup_epochs=0,
    )
    trial = make_trial(config, make_data(size=32))
    assert type(trial._optimizer) is KINDS[optimizer]
    groups = trial._optimizer.param_groups
    place = {parameter: group for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(place)
    named = dict(trial.embedder.named_parameters())
    assert {*place} == {*named.values(), *trial.loss.proxy_parameters()}
    assert {"head.weight", "head.bias", "head_norm.weight", "head_norm.bias"} <= {*named}
    for name, parameter in named.items():
        group = place[parameter]
        assert group["lr"] == pytest.approx(0.003 if name.startswith("trunk.") else 0.01), name
        positions = name in ("trunk.pos_embed", "trunk.cls_token", "trunk.reg_token")
        decays = parameter.ndim > 1 and not name.endswith(".bias") and not positions
        assert group["weight_decay"] == (0.03 if decays else 0), name
    (proxies,) = trial.loss.proxy_parameters()
    assert (place[proxies]["lr"], place[proxies]["weight_decay"]) == (1.0, 0)


def by_hand(optimizer: str, values: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    """Steps at a rate of 0.1 with decay 0.5 and momentum 0.7, as the papers have them."""
    first, second = torch.zeros_like(values), torch.zeros_like(values)
    for step, raw in enumerate(gradients, start=1):
        coupled = raw + 0.5 * values
        if optimizer == "sgd":
            first = 0.7 * first + coupled
            values = values - 0.1 * first
            continue
        slope = coupled if optimizer == "adam" else raw
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        moved = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        shrunk = values if optimizer == "adam" else values * (1 - 0.1 * 0.5)
        values = shrunk - 0.1 * moved
    return values


@pytest.mark.parametrize("optimizer", KINDS)
def test_steps_are_those_of_the_papers(
    optimizer: str, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config(optimizer=optimizer, momentum=0.7, learning_rate=0.1, weight_decay=0.5)
    trial = make_trial(config)
    for group in trial._optimizer.param_groups:
        group["lr"] = 0.1
    weight = trial.embedder.head.weight
    gradients = [torch.full_like(weight, value) for value in (0.3, -2.0, 0.1)]
    expected = by_hand(optimizer, weight.detach().clone(), gradients)
    for each in gradients:
        weight.grad = each
        trial._optimizer.step()
    assert torch.allclose(weight, expected, atol=1e-6)


def rates(trial: TrainingRun, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(trial._optimizer.param_groups[0]["lr"])
        trial._optimizer.step()
        trial._schedule.step()
    return found


# With 64 training images and batches of 16 an epoch is 4 steps.
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schedule": "constant"}, [1.0] * 8),
        ({"schedule": "step", "step_epochs": [1]}, [1.0] * 4 + [0.1] * 4),
        (
            {"schedule": "step", "step_epochs": [1, 2], "step_factor": 0.5, "epochs": 3},
            [1.0] * 4 + [0.5] * 4 + [0.25] * 4,
        ),
        ({"schedule": "step", "step_epochs": [9]}, [1.0] * 8),
        (
            {"schedule": "step", "step_epochs": [1], "warmup_epochs": 0.5},
            [1 / 3, 2 / 3, 1, 1] + [0.1] * 4,
        ),
        ({"schedule": "constant", "warmup_epochs": 1}, [0.2, 0.4, 0.6, 0.8] + [1.0] * 4),
        # Three epochs of 10 steps end after 3, 7 and 10.
        (
            {"schedule": "step", "step_epochs": [1, 2], "epochs": 3, "steps": 10},
            [1.0] * 3 + [0.1] * 4 + [0.01] * 3,
        ),
        (
            {"epochs": 5, "steps": 5, "warmup_epochs": 1},
            [0.5, *(0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4))],
        ),
    ],
)
def test_schedules(
    changes: dict[str, Any],
    expected: list[float],
    make_config: MakeConfig,
    make_trial: MakeRun,
) -> None:
    trial = make_trial(make_config(learning_rate=1, **{"warmup_epochs": 0, **changes}))
    assert rates(trial, len(expected)) == pytest.approx(expected)


def gradients_set(trial: TrainingRun) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for group in trial._optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = 5 * torch.randn(parameter.shape, generator=generator)
    groups = trial._optimizer.param_groups
    return [gradient(parameter) for group in groups for parameter in group["params"]]


@pytest.mark.parametrize("value", [None, 0.5])
@pytest.mark.parametrize("norm", [None, 2.0, 1e6])
def test_gradients_are_clipped_by_value_then_by_their_common_norm(
    value: float | None, norm: float | None, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config(loss="proxy_anchor", clip_value=value, clip_norm=norm)
    trial = make_trial(config)
    found = gradients_set(trial)
    expected = [each.double() for each in found]
    if value is not None:
        expected = [each.clamp(-value, value) for each in expected]
    length = math.sqrt(sum(float(each.square().sum()) for each in expected))
    if norm is not None and length > norm:
        expected = [each * norm / length for each in expected]
    clip_gradients(trial._optimizer, config)
    assert len(found) == len(expected) > 10
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one.double(), other, rtol=1e-4, atol=1e-7)


def test_a_step_is_taken_with_clipped_gradients(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    # Plain SGD moves by no more than its rate times the norm.
    trial = make_trial(
        make_config(optimizer="sgd", momentum=0, weight_decay=0, clip_norm=1e-3, learning_rate=0.5)
    )
    before = [each.detach().clone() for each in trial.embedder.parameters()]
    for group in trial._optimizer.param_groups:
        group["lr"] = 0.5
    trial.embedder.train()
    train_on(trial, next(iter(trial._batches)))
    moved = [a - b for a, b in zip(trial.embedder.parameters(), before, strict=True)]
    length = math.sqrt(sum(float(each.detach().square().sum()) for each in moved))
    assert length == pytest.approx(0.5e-3, rel=1e-2)


@pytest.mark.parametrize("norm", ["frozen", "trained"])
def test_the_trunk_rests_while_the_head_warms_up(
    norm: str, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config(
        epochs=4, head_warmup_epochs=2, freeze_batch_norm=norm == "frozen", learning_rate=0.01
    )
    trial = make_trial(config)
    trunk, head = part(trial, trunk=True), part(trial, trunk=False)
    for _ in range(2):
        trial.advance()
        assert same(trunk, part(trial, trunk=True))
        assert not same(head, part(trial, trunk=False))
        head = part(trial, trunk=False)
    trial.advance()
    after = part(trial, trunk=True)
    moved = {name for name in trunk if not torch.equal(trunk[name], after[name])}
    trunk_parameters = trial.embedder.trunk.named_parameters()
    trained = {f"trunk.{name}" for name, each in trunk_parameters if each.requires_grad}
    assert any(".bn" in name for name in trained) is (norm == "trained")
    assert trained <= moved
    statistics = {name for name in trunk if name.endswith(("running_mean", "running_var"))}
    assert statistics
    assert statistics & moved == (set() if norm == "frozen" else statistics)


def test_a_trunk_that_rests_keeps_no_graph_and_computes_as_in_evaluation(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    trial = make_trial(make_config(head_warmup_epochs=1))
    images = pixels_of(data.dataset.images, data.train[:6]) / 255
    trial.embedder.hold_trunk(True)
    held = trial.embedder.train().features(images)
    assert not held.requires_grad
    assert trial.embedder.head.training
    assert torch.equal(held, trial.embedder.eval().features(images))
    trial.embedder.hold_trunk(False)
    assert trial.embedder.train().features(images).requires_grad
    assert all(module.training for module in trial.embedder.modules())


def test_a_frozen_patch_embedding_stays(
    make_config: MakeConfig, make_trial: MakeRun, make_data: MakeData
) -> None:
    config = make_config(backbone="test_vit", freeze_patch_embedding=True, head_warmup_epochs=1)
    trial = make_trial(config, make_data(size=32))
    before = part(trial, trunk=True)
    for _ in range(2):
        trial.advance()
    after = part(trial, trunk=True)
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith("trunk.patch_embed.")}
    grouped = {p for group in trial._optimizer.param_groups for p in group["params"]}
    fixed = [p for name, p in trial.embedder.named_parameters() if "patch_embed" in name]
    assert fixed
    assert not grouped & {*fixed}


def test_frozen_batch_norm_makes_micro_batches_exact(
    make_config: MakeConfig, make_trial: MakeRun, make_data: MakeData
) -> None:
    def begun(size: int | None, *, frozen: bool) -> TrainingRun:
        config = make_config(
            micro_batch_size=size, freeze_batch_norm=frozen, loss="contrastive", learning_rate=1e-6
        )
        trial = make_trial(config, make_data(size=32))
        trial.embedder.train()
        train_on(trial, torch.arange(0, 64, 4))
        return trial

    def distance(frozen: bool) -> float:
        pair = (begun(size, frozen=frozen).embedder.parameters() for size in (None, 5))
        return max(
            float((gradient(one) - gradient(other)).abs().max() / gradient(one).abs().max())
            for one, other in zip(*pair, strict=True)
            if one.requires_grad
        )

    assert distance(frozen=True) < 1e-4
    assert distance(frozen=False) > 1e-2
