import dataclasses
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from objectives import Calibration, InputError, score_embeddings
from trainer import (
    Measurement,
    Split,
    SplitDataset,
    TrainingRun,
    TrialConfig,
    TrialFailed,
    build_loss,
    train,
)
from trainer.inputs import InputBatch
from trainer.losses import LOSSES

from .data.pixels import pixels_of
from .factories import MakeConfig, MakeData, MakeRun
from .losses.gradients import gradient
from .steps import train_on

CLOCKS = {"train_seconds", "score_seconds"}
CONTROL = {"weight_positive": 0, "weight_negative": 0}
# Losses of the first four steps of `smooth_ap` with TCM, light augmentation and flips, seed 0.
FROZEN = (1.55156, 1.66692, 1.51945, 1.35933)

every_loss = pytest.mark.parametrize("loss", LOSSES)


def measure(config: TrialConfig, data: SplitDataset) -> list[Measurement]:
    found: list[Measurement] = []

    def report(measurement: Measurement) -> bool:
        found.append(measurement)
        return True

    train(config, data, report=report)
    return found


def scores(measurements: list[Measurement]) -> list[dict[str, float]]:
    """The metrics of each epoch, less the clocks."""
    return [{k: v for k, v in m.metrics.items() if k not in CLOCKS} for m in measurements]


def first_losses(trial: TrainingRun, steps: int = 4) -> list[float]:
    trial.embedder.train()
    epochs: Iterator[Any] = (batch for _ in range(steps) for batch in trial._batches)
    return [train_on(trial, batch) for batch, _ in zip(epochs, range(steps), strict=False)]


def refilled(trial: TrainingRun, value: float) -> TrainingRun:
    """Make every embedding the same."""
    with torch.no_grad():
        trial.embedder.head.weight.zero_()
        trial.embedder.head.bias.fill_(value)
    return trial


@every_loss
@pytest.mark.parametrize("weights", [CONTROL, {}], ids=["control", "tcm"])
def test_every_loss_trains_an_epoch(
    loss: str, weights: dict[str, float], make_config: MakeConfig, data: SplitDataset
) -> None:
    (measured,) = measure(make_config(loss=loss, epochs=1, augmentation="light", **weights), data)
    assert (measured.epoch, measured.seed, measured.split) == (1, 0, "validation")
    assert all(math.isfinite(value) for value in measured.metrics.values())
    assert set(measured.metrics) == {
        *("recall_at_1", "map_at_r", "opis", "opis_floor", "opis_corrected", "opis_10"),
        *("d_min", "d_max", "operating_threshold", "operating_far", "operating_frr"),
        *("train_loss", "train_seconds", "score_seconds"),
    }
    assert measured.metrics["train_loss"] > 0


@every_loss
def test_training_lowers_the_loss_and_raises_the_recall(
    loss: str, make_config: MakeConfig, make_trial: MakeRun, make_data: MakeData
) -> None:
    # Eight classes teach nothing about others, so the recall is that of the training classes.
    noisy = make_data(noise=60.0)
    seen = dataclasses.replace(noisy, validation=noisy.train)
    config = make_config(loss=loss, epochs=8, learning_rate=1e-2)
    before = make_trial(config, seen).score("validation")["recall_at_1"]
    found = scores(measure(config, seen))
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
    assert found[-1]["recall_at_1"] > max(0.8, before + 0.2)


@pytest.mark.parametrize("loss", ["smooth_ap", "arcface"])
def test_the_same_seed_takes_the_same_course(
    loss: str, make_config: MakeConfig, data: SplitDataset
) -> None:
    config = make_config(loss=loss, augmentation="light", horizontal_flip=True)
    first = scores(measure(config, data))
    measure(make_config(loss="triplet_margin", seed=9, backbone="test_efficientnet"), data)
    torch.rand(3)
    assert scores(measure(config, data)) == first
    other = scores(measure(config.model_copy(update={"seed": 1}), data))
    assert all(a["train_loss"] != b["train_loss"] for a, b in zip(first, other, strict=True))


def test_the_seed_moves_weights_batches_and_augmentation(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    one, other = (make_trial(make_config(seed=seed)) for seed in (1, 2))
    assert not torch.equal(one.embedder.head.weight, other.embedder.head.weight)
    assert [b.tolist() for b in one._batches] != [b.tolist() for b in other._batches]
    draws = [torch.rand(3, generator=trial._inputs.generator) for trial in (one, other)]
    assert not torch.equal(*draws)


def test_first_steps_are_frozen(make_config: MakeConfig, make_trial: MakeRun) -> None:
    trial = make_trial(make_config(augmentation="light", horizontal_flip=True))
    assert first_losses(trial) == pytest.approx(FROZEN, abs=1e-4)


@pytest.mark.parametrize(
    "changes", [{"augmentation": "none"}, {"horizontal_flip": False}, {"margin_positive": 0.7}]
)
def test_what_a_configuration_says_has_effect(
    changes: dict[str, Any], make_config: MakeConfig, make_trial: MakeRun
) -> None:
    base = {"augmentation": "light", "horizontal_flip": True}
    losses = first_losses(make_trial(make_config(**base)), 1)
    assert first_losses(make_trial(make_config(**base | changes)), 1) != losses


@every_loss
def test_a_control_is_its_base_loss(
    loss: str,
    make_config: MakeConfig,
    make_trial: MakeRun,
    data: SplitDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control = make_config(loss=loss, epochs=1, **CONTROL)
    trial = make_trial(control)
    monkeypatch.setattr(trial.loss, "forward", trial.loss.base.forward)
    bare = [trial.advance()]
    assert scores(measure(control, data)) == scores(bare)
    other_margins = control.model_copy(update={"margin_positive": 0.3, "margin_negative": 0.1})
    assert scores(measure(other_margins, data)) == scores(bare)
    assert scores(measure(make_config(loss=loss, epochs=1), data)) != scores(bare)


def test_the_train_loss_is_the_mean_of_the_steps(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config()
    stepped, trial = make_trial(config), make_trial(config)
    steps = len(stepped._batches)
    assert steps == 4
    expected = sum(first_losses(stepped, steps)) / steps
    assert trial.advance().metrics["train_loss"] == pytest.approx(expected, rel=1e-6)


def test_scores_are_those_of_the_splits_embeddings(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    trial = make_trial(make_config())
    trial.advance()
    for split in ("validation", "test"):
        indices = data.indices(split)
        with torch.no_grad():
            pixels = pixels_of(data.dataset.images, indices).float() / 255
            embeddings = trial.embedder.eval()(pixels)
        expected = score_embeddings(embeddings, data.dataset.labels[indices]).metrics()
        assert trial.score(split) == pytest.approx(expected, abs=1e-5)
    assert trial.score("validation") != trial.score("test")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_split_that_is_asked_for_is_measured(
    split: Split, make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    config, cpu = make_config(epochs=1), torch.device("cpu")
    run = TrainingRun(config, data, device=cpu, calibration=Calibration(), scored=split)
    plain = make_trial(config)
    found, expected = run.advance(), plain.advance()
    assert (found.split, expected.split) == (split, "validation")
    assert found.metrics["train_loss"] == expected.metrics["train_loss"]
    assert found.metrics.items() >= plain.score(split).items()


def test_scoring_leaves_the_course_alone(make_config: MakeConfig, make_trial: MakeRun) -> None:
    plain, scored = make_trial(make_config()), make_trial(make_config())
    plain.advance()
    scored.score("test")
    scored.advance()
    scored.score("test")
    assert scores([plain.advance()]) == scores([scored.advance()])


def test_embeddings_come_in_the_order_of_the_indices(
    make_config: MakeConfig, make_trial: MakeRun, make_data: MakeData
) -> None:
    many = make_data(per_class=20)
    trial = make_trial(make_config(), many)
    indices = torch.randperm(400, generator=torch.Generator().manual_seed(0))[:300]
    embeddings = trial.embed(indices)
    assert embeddings.shape == (300, 16)
    for row in (0, 255, 256, 299):
        assert torch.allclose(embeddings[row], trial.embed(indices[row : row + 1])[0], atol=1e-5)


def test_embedding_keeps_to_the_micro_batch(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    trial = make_trial(make_config(micro_batch_size=5))
    rows: list[int] = []
    trial.embedder.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    parts = trial.embed(data.validation)
    assert sum(rows) == len(data.validation)
    assert max(rows) == 5
    assert torch.allclose(parts, make_trial(make_config()).embed(data.validation), atol=1e-6)


def test_training_labels_need_not_begin_at_zero(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    assert data.dataset.labels[data.train].min() == 12
    trial = make_trial(make_config(loss="proxy_anchor"))
    assert [p.shape for p in trial.loss.proxy_parameters()] == [(8, 16)]
    assert math.isfinite(trial.advance().metrics["train_loss"])


def test_a_step_sees_training_images_and_their_labels(
    make_config: MakeConfig,
    make_trial: MakeRun,
    data: SplitDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = make_trial(make_config())
    batch = next(iter(trial._batches))
    seen: dict[str, torch.Tensor] = {}
    embedder, loss = trial.embedder.forward, trial.loss.forward

    def embed(images: torch.Tensor) -> torch.Tensor:
        seen["images"] = images
        return embedder(images)

    def judge(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen["labels"] = labels
        return loss(embeddings, labels)

    monkeypatch.setattr(trial.embedder, "forward", embed)
    monkeypatch.setattr(trial.loss, "forward", judge)
    train_on(trial, batch)
    indices = data.train[batch]
    assert torch.equal(seen["images"], pixels_of(data.dataset.images, indices) / 255)
    assert torch.equal(seen["labels"], data.dataset.labels[indices] - 12)


@every_loss
def test_a_loss_that_is_not_finite_fails_the_trial(
    loss: str, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    trial = refilled(make_trial(make_config(loss=loss)), math.nan)
    with pytest.raises(TrialFailed, match=r"^the training loss is not finite at epoch 1$"):
        trial.advance()


@every_loss
def test_a_rate_far_too_high_fails_the_trial(
    loss: str, make_config: MakeConfig, data: SplitDataset
) -> None:
    with pytest.raises(TrialFailed, match=r"at epoch 1$"):
        measure(make_config(loss=loss, learning_rate=1e30), data)


def test_embeddings_that_are_not_finite_fail_the_trial(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    trial = refilled(make_trial(make_config()), math.nan)
    with pytest.raises(TrialFailed, match=r"^embeddings are not finite at epoch 0$"):
        trial.score("validation")


def test_collapsed_embeddings_fail_the_trial(make_config: MakeConfig, make_trial: MakeRun) -> None:
    trial = refilled(make_trial(make_config(learning_rate=1e-30)), 1.0)
    with pytest.raises(TrialFailed, match=r"^embeddings collapsed to one point at epoch 1$"):
        trial.advance()


def test_embeddings_of_length_zero_fail_the_trial(
    make_config: MakeConfig,
    make_trial: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    data: SplitDataset,
) -> None:
    trial = make_trial(make_config())
    embeddings = trial.embed(data.validation).clone()
    embeddings[3] = 0
    monkeypatch.setattr(trial, "embed", lambda _: embeddings)
    with pytest.raises(TrialFailed, match=r"^embeddings of length zero at epoch 0$"):
        trial.score("validation")


def test_an_undefined_metric_fails_the_trial(
    make_config: MakeConfig, make_trial: MakeRun, data: SplitDataset
) -> None:
    one_class = dataclasses.replace(data, validation=data.validation[:8])
    trial = make_trial(make_config(), one_class)
    with pytest.raises(TrialFailed, match=r"^opis, opis_10, .* undefined at epoch 0$"):
        trial.score("validation")


def test_classes_too_small_for_a_noise_floor_have_none(
    make_config: MakeConfig, make_trial: MakeRun, make_data: MakeData
) -> None:
    data = make_data(per_class=5)
    assert "opis_floor" in make_trial(make_config(), data).score("validation")
    kept = data.validation[torch.arange(len(data.validation)) % 5 < 3]
    few = make_trial(make_config(), dataclasses.replace(data, validation=kept)).score("validation")
    assert "opis" in few
    assert not {"opis_floor", "opis_corrected"} & set(few)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_training_stops_where_the_report_says_so(
    stop: int, make_config: MakeConfig, data: SplitDataset
) -> None:
    seen: list[int] = []

    def report(measurement: Measurement) -> bool:
        seen.append(measurement.epoch)
        return measurement.epoch < stop

    trial = train(make_config(epochs=3), data, report=report)
    assert trial.epoch == stop
    assert seen == list(range(1, stop + 1))


@pytest.mark.parametrize(
    ("changes", "epochs", "lengths"),
    [
        ({"epochs": 5, "evaluate_every": 2}, [2, 4, 5], [8, 8, 4]),
        ({"epochs": 4, "evaluate_every": 2}, [2, 4], [8, 8]),
        ({"epochs": 3, "evaluate_every": 9}, [3], [12]),
        ({"epochs": 4, "steps": 10}, [1, 2, 3, 4], [2, 3, 3, 2]),
        ({"epochs": 4, "steps": 10, "evaluate_every": 3}, [3, 4], [8, 2]),
        ({"epochs": 2, "steps": 3, "batch_size": 8}, [1, 2], [2, 1]),
    ],
)
def test_measured_epochs_and_their_steps(
    changes: dict[str, Any],
    epochs: list[int],
    lengths: list[int],
    make_config: MakeConfig,
    make_trial: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = make_trial(make_config(**changes))
    step, losses, found = trial._train_step, list[float](), list[int]()

    def counted(batch: InputBatch, labels: torch.Tensor) -> torch.Tensor:
        loss = step(batch, labels)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(trial, "_train_step", counted)
    for epoch in epochs:
        losses.clear()
        measured = trial.advance()
        assert measured.epoch == trial.epoch == epoch
        assert measured.metrics["train_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-6)
        found.append(len(losses))
    assert found == lengths
    assert trial._schedule.last_epoch == trial._plan.steps


def test_the_batch_size_does_not_decide_how_long_a_trial_of_steps_trains(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    small, large = (make_trial(make_config(steps=6, batch_size=size)) for size in (8, 32))
    assert small._plan == large._plan
    batches = list(large._batches.take(3))
    assert [len(batch) for batch in batches] == [32] * 3


def test_the_calibration_is_used(make_config: MakeConfig, data: SplitDataset) -> None:
    def range_of(calibration: Calibration | None) -> tuple[float, float]:
        trial = train(make_config(), data, report=lambda _: False, calibration=calibration)
        metrics = trial.score("test")
        return metrics["d_min"], metrics["d_max"]

    assert range_of(Calibration(d_min=0.25, d_max=0.75)) == (0.25, 0.75)
    assert range_of(None) == range_of(Calibration())


def test_too_few_classes_and_an_unknown_backbone(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    with pytest.raises(InputError, match="needs 16 classes, the training split has 8"):
        make_trial(make_config(batch_size=64))
    with pytest.raises(InputError, match=r"near: .*test_resnet"):
        make_trial(make_config(backbone="test_resnt"))
    with pytest.raises(InputError, match="'test_vit' does not take images of 8 x 8"):
        make_trial(make_config(backbone="test_vit"))


def test_a_transformer_trains(make_config: MakeConfig, make_data: MakeData) -> None:
    config = make_config(backbone="test_vit", epochs=1)
    (measured,) = measure(config, make_data(size=32, channels=3))
    assert math.isfinite(measured.metrics["train_loss"])


@pytest.mark.parametrize("size", [None, 16, 17, 4000])
def test_a_micro_batch_as_large_as_the_batch_changes_nothing(
    size: int | None, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    changes = {"augmentation": "light", "horizontal_flip": True}
    plain = first_losses(make_trial(make_config(**changes)))
    assert first_losses(make_trial(make_config(**changes, micro_batch_size=size))) == plain


@pytest.mark.parametrize("loss", ["smooth_ap", "proxy_anchor"])
def test_micro_batches_take_the_course_of_whole_batches(
    loss: str, make_config: MakeConfig, make_data: MakeData, make_trial: MakeRun
) -> None:
    def begun(size: int | None) -> TrainingRun:
        # Without BatchNorm. Adam's first steps are signs: only a tiny rate keeps two courses near.
        changes = {"backbone": "test_vit", "augmentation": "light", "learning_rate": 1e-6}
        config = make_config(loss=loss, micro_batch_size=size, **changes)
        return make_trial(config, make_data(size=32))

    whole, parts = begun(None), begun(6)
    rows: list[int] = []
    parts.embedder.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    assert first_losses(parts) == pytest.approx(first_losses(whole), abs=1e-5)
    assert rows == [5, 5, 6] * 2 * 4
    for one, other in zip(whole.embedder.parameters(), parts.embedder.parameters(), strict=True):
        largest = max(1.0, float(gradient(one).abs().max()))
        assert (gradient(one) - gradient(other)).abs().max() <= 1e-4 * largest


def test_fused_steps_are_adamw_steps(make_config: MakeConfig, make_trial: MakeRun) -> None:
    fused, plain = (make_trial(make_config(weight_decay=0.1)) for _ in range(2))
    for group in plain._optimizer.param_groups:
        group.update(fused=False, foreach=False)
    assert all(group["fused"] for group in fused._optimizer.param_groups)
    batch = next(iter(fused._batches))
    for trial in (fused, plain):
        train_on(trial, batch)
    for one, other in zip(fused.embedder.parameters(), plain.embedder.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def rates(trial: TrainingRun, steps: int) -> list[list[float]]:
    """The learning rates of all groups at each step."""
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in trial._optimizer.param_groups])
        trial._optimizer.step()
        trial._schedule.step()
    return found


def schedule(make_trial: Any, config: TrialConfig, steps: int) -> list[float]:
    return [rate[0] for rate in rates(make_trial(config), steps)]


def cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


# With 64 training images and batches of 16 an epoch is 4 steps.
def test_warm_up_is_linear_and_then_comes_a_cosine(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config(epochs=3, warmup_epochs=1, learning_rate=0.1)
    expected = [0.2, 0.4, 0.6, 0.8, *(cosine(k / 8) for k in range(8))]
    found = schedule(make_trial, config, 12)
    assert found == pytest.approx([0.1 * factor for factor in expected])
    assert found[4] == pytest.approx(0.1)
    assert found[8] == pytest.approx(0.05)


def test_no_warm_up(make_config: MakeConfig, make_trial: MakeRun) -> None:
    found = schedule(make_trial, make_config(warmup_epochs=0, learning_rate=0.1), 9)
    assert found == pytest.approx([0.1 * cosine(k / 8) for k in range(9)])
    assert found[-1] == pytest.approx(0)


def test_part_of_an_epoch_of_warm_up(make_config: MakeConfig, make_trial: MakeRun) -> None:
    found = schedule(make_trial, make_config(warmup_epochs=0.375, learning_rate=1), 8)
    assert found[:2] == pytest.approx([1 / 2.5, 2 / 2.5])
    assert found[2:] == pytest.approx([cosine((k - 1.5) / 6.5) for k in range(2, 8)])


@pytest.mark.parametrize("warmup", [2, 2.5, 100])
def test_warm_up_to_the_end(warmup: float, make_config: MakeConfig, make_trial: MakeRun) -> None:
    found = schedule(make_trial, make_config(warmup_epochs=warmup, learning_rate=1), 8)
    assert found == pytest.approx([(k + 1) / 9 for k in range(8)])


def test_training_takes_the_scheduled_steps(make_config: MakeConfig, make_trial: MakeRun) -> None:
    trial = make_trial(make_config(warmup_epochs=0, learning_rate=0.1))
    trial.advance()
    assert trial._optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * cosine(4 / 8))
    trial.advance()
    assert trial._optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@every_loss
def test_every_parameter_is_in_one_group(
    loss: str, make_config: MakeConfig, make_trial: MakeRun
) -> None:
    config = make_config(loss=loss, weight_decay=0.03, proxy_learning_rate_factor=7)
    trial = make_trial(config)
    place = {
        parameter: group for group in trial._optimizer.param_groups for parameter in group["params"]
    }
    named = dict(trial.embedder.named_parameters())
    proxies = trial.loss.proxy_parameters()
    assert bool(proxies) == (loss in ("proxy_anchor", "arcface"))
    assert set(place) == {*named.values(), *proxies}
    assert sum(len(group["params"]) for group in trial._optimizer.param_groups) == len(place)
    for name, parameter in named.items():
        decays = parameter.ndim > 1 and not name.endswith("bias")
        assert place[parameter]["weight_decay"] == (0.03 if decays else 0), name
    assert {p.ndim > 1 for p in named.values()} == {True, False}
    for proxy in proxies:
        assert place[proxy]["weight_decay"] == 0
        for base, *_, own in rates(trial, 3):
            assert own == pytest.approx(7 * base)


def test_proxies_are_trained(make_config: MakeConfig, make_trial: MakeRun) -> None:
    trial = make_trial(make_config(loss="proxy_anchor"))
    before = [proxy.detach().clone() for proxy in trial.loss.proxy_parameters()]
    trial.advance()
    after = trial.loss.proxy_parameters()
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(before, after, strict=True))


class HostReads(TorchDispatchMode):
    """Collects the operations that would make the host wait for a device.

    On a CPU AdamW reads its own step counter, which lies on the host everywhere: not counted.
    """

    WAITS = ("_local_scalar_dense", "nonzero.", "masked_select", "unique", "equal.", "is_nonzero")

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []
        self._stepping = False
        optimizer.register_step_pre_hook(lambda *_: self._step(True))
        optimizer.register_step_post_hook(lambda *_: self._step(False))

    def _step(self, begins: bool) -> None:
        self._stepping = begins

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(func).removeprefix("aten.")
        by_mask = name.startswith("index") and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool
            for part in args
            if isinstance(part, (list, tuple))
            for index in part
        )
        if not self._stepping and (name.startswith(self.WAITS) or by_mask):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("micro_batch_size", [None, 5])
@pytest.mark.parametrize("augmentation", ["none", "light", "standard"])
@pytest.mark.parametrize("loss", ["smooth_ap", "recall_at_k"])
def test_a_step_never_waits_for_the_device(
    loss: str,
    augmentation: str,
    micro_batch_size: int | None,
    make_config: MakeConfig,
    make_trial: MakeRun,
) -> None:
    trial = make_trial(
        make_config(
            loss=loss,
            recall_at_k_mixup=True,
            augmentation=augmentation,
            horizontal_flip=True,
            micro_batch_size=micro_batch_size,
            clip_value=1,
            clip_norm=1,
        )
    )
    batches = list(trial._labelled(list(trial._batches)))
    reads = HostReads(trial._optimizer)
    with reads:
        for batch, labels in batches:
            trial._train_step(batch, labels)
        assert reads.found == []
        # What the test can see.
        flags = torch.ones(2, dtype=torch.bool)
        float(flags[0])
        torch.rand(2)[flags]
    assert reads.found == ["_local_scalar_dense.default", "index.Tensor"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("micro_batch_size", [None, 5])
@pytest.mark.parametrize("augmentation", ["light", "standard"])
@pytest.mark.parametrize("loss", ["smooth_ap", "recall_at_k"])
def test_a_step_never_waits_for_a_cuda_device(
    loss: str,
    augmentation: str,
    micro_batch_size: int | None,
    make_config: MakeConfig,
    data: SplitDataset,
) -> None:
    trial = TrainingRun(
        make_config(
            loss=loss,
            recall_at_k_mixup=True,
            augmentation=augmentation,
            horizontal_flip=True,
            micro_batch_size=micro_batch_size,
            clip_value=1,
            clip_norm=1,
        ),
        data,
        device=torch.device("cuda"),
        calibration=Calibration(),
    )
    trial.advance()
    batches = list(trial._batches)
    trial.embedder.train()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch, labels in trial._labelled(batches):
            trial._train_step(batch, labels)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_trial_uses_the_loss_of_its_configuration(
    make_config: MakeConfig, make_trial: MakeRun
) -> None:
    trial = make_trial(make_config())
    embeddings, labels = torch.randn(16, 16), torch.arange(4).repeat_interleave(4)
    expected = build_loss(trial.config, num_classes=8)(embeddings, labels)
    assert trial.loss(embeddings, labels).item() == expected.item()


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
@pytest.mark.parametrize("pooling", ["default", "gem"])
def test_a_compiled_trunk_computes_the_same_and_has_the_same_state(
    pooling: str, make_config: MakeConfig, make_trial: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    config = make_config(backbone="test_efficientnet_gn", epochs=1, pooling=pooling)
    plain = make_trial(config)
    expected = plain.advance()
    assert not compiled
    trial = make_trial(config.model_copy(update={"compile_trunk": True}))
    found = trial.advance()
    assert compiled
    assert scores([found])[0] == pytest.approx(scores([expected])[0], rel=1e-4)
    assert trial.embedder.state_dict().keys() == plain.embedder.state_dict().keys()
    plain.load_state_dict(trial.state_dict())
    places = trial._data.validation[:4]
    assert torch.allclose(plain.embed(places), trial.embed(places), atol=1e-5)
