import copy
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from objectives import Calibration, InputError
from trainer import (
    Embedder,
    Measurement,
    SplitDataset,
    TrainingRun,
    TrialConfig,
    TrialFailed,
    TrialRun,
    confirmation_run,
    load_embedder,
    read_kept_weights,
)

from .data.pixels import pixels_of
from .factories import MakeConfig, MakeData

CPU = torch.device("cpu")
CLOCKS = {"train_seconds", "score_seconds", "peak_memory_mib"}


def confirmation(config: TrialConfig, data: SplitDataset) -> TrialRun:
    return confirmation_run(config, data, device=CPU, calibration=Calibration())


def merged_by_hand(data: SplitDataset) -> SplitDataset:
    both = sorted([*data.train.tolist(), *data.validation.tolist()])
    return dataclasses.replace(data, train=torch.tensor(both), fingerprint="merged", cache=None)


def trained(config: TrialConfig, data: SplitDataset) -> tuple[TrainingRun, Measurement]:
    """Train as a trial does, measuring as often."""
    run = TrainingRun(config, data, device=CPU, calibration=Calibration(), scored="test")
    while run.epoch < config.epochs:
        last = run.advance()
    return run, last


def scores(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in CLOCKS}


def embedded(embedder: Embedder, data: SplitDataset) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = embedder(pixels_of(data.dataset.images, data.test).float() / 255)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluate_every": 3},
        {"loss": "proxy_anchor", "augmentation": "light", "evaluate_every": 3, "seed": 4},
        {"steps": 7, "head_warmup_epochs": 1, "evaluate_every": 3},
    ],
    ids=["plain", "proxies", "steps"],
)
def test_it_scores_the_test_classes_as_a_run_on_the_other_classes_does(
    changes: dict[str, Any], make_config: MakeConfig, data: SplitDataset
) -> None:
    config = make_config(epochs=3, **changes)
    run, expected = trained(config, merged_by_hand(data))
    found = confirmation(config, data).advance()
    assert (found.epoch, found.seed, found.split) == (3, config.seed, "test")
    assert scores(found.metrics) == scores(expected.metrics)
    assert found.metrics.keys() - expected.metrics.keys() == {"peak_memory_mib"}
    assert scores(run.score("test")).items() <= found.metrics.items()


def test_it_measures_at_the_end_alone(
    make_config: MakeConfig, data: SplitDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, seen = TrainingRun.embed, list[torch.Tensor]()

    def embed(self: TrainingRun, indices: torch.Tensor) -> torch.Tensor:
        seen.append(indices)
        return whole(self, indices)

    monkeypatch.setattr(TrainingRun, "embed", embed)
    often, once = (
        confirmation(make_config(epochs=3, evaluate_every=every), data).advance()
        for every in (1, 3)
    )
    assert often.epoch == once.epoch == 3
    assert scores(often.metrics) == scores(once.metrics)
    assert [indices.tolist() for indices in seen] == [data.test.tolist()] * 2


def test_validation_images_take_part(
    make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    config = make_config(steps=6)
    run = confirmation(config, data)
    run.advance()
    run.keep(tmp_path / "kept.pt")
    alone, _ = trained(config, data)
    kept = load_embedder(tmp_path / "kept.pt")
    assert not torch.allclose(kept.head.weight, alone.embedder.head.weight, atol=1e-3)


def test_an_epoch_is_longer_for_the_classes_of_validation(
    make_config: MakeConfig, data: SplitDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, steps = TrainingRun._train_step, list[int]()

    def counted(self: TrainingRun, *args: Any) -> torch.Tensor:
        steps.append(1)
        return step(self, *args)

    monkeypatch.setattr(TrainingRun, "_train_step", counted)
    images = len(data.train) + len(data.validation)
    for changes, expected in (({"epochs": 2}, 2 * (images // 16)), ({"steps": 5}, 5)):
        steps.clear()
        confirmation(make_config(**changes), data).advance()
        assert len(steps) == expected


def test_what_is_kept_is_what_was_trained(
    make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    config = make_config(epochs=3, evaluate_every=2, loss="arcface")
    expected, _ = trained(
        make_config(epochs=3, evaluate_every=3, loss="arcface"), merged_by_hand(data)
    )
    run = confirmation(config, data)
    measured = run.advance()
    run.keep(tmp_path / "kept.pt")
    kept = read_kept_weights(tmp_path / "kept.pt")
    assert kept.config == config
    assert kept.metrics == measured.metrics
    assert torch.equal(embedded(kept.embedder, data), expected.embed(data.test))


@pytest.mark.parametrize("share", [None, 0.5])
def test_what_evaluation_saw_is_kept(
    share: float | None, make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    seen = dataclasses.replace(data.dataset, crop_share=share)
    run = confirmation(make_config(epochs=1), dataclasses.replace(data, dataset=seen))
    run.advance()
    run.keep(tmp_path / "kept.pt")
    cfg = timm.get_pretrained_cfg("test_resnet")
    found = load_embedder(tmp_path / "kept.pt").trunk_input
    assert found.crop_share == (share or cfg.crop_pct)
    assert (found.mean, found.crop_mode) == (cfg.mean, "center")


def test_nothing_is_kept_before_there_is_something(
    make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no weights to keep before the run is measured"):
        confirmation(make_config(), data).keep(tmp_path / "kept.pt")
    assert list(tmp_path.iterdir()) == []


def through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    found: dict[str, Any] = torch.load(file, weights_only=True)
    return found


def test_a_state_from_before_the_end_is_trained_on(
    make_config: MakeConfig, data: SplitDataset
) -> None:
    config = make_config(epochs=2, augmentation="light")
    begun = copy.deepcopy(confirmation(config, data).state_dict())
    expected = confirmation(config, data).advance()
    resumed = confirmation(config, data)
    torch.rand(3)
    resumed.load_state_dict(through_a_file(begun))
    assert scores(resumed.advance().metrics) == scores(expected.metrics)


def test_a_state_from_the_end_is_kept_as_it_is(
    make_config: MakeConfig, data: SplitDataset, tmp_path: Path
) -> None:
    config = make_config()
    run = confirmation(config, data)
    run.advance()
    run.keep(tmp_path / "kept.pt")
    resumed = confirmation(config, data)
    resumed.load_state_dict(through_a_file(run.state_dict()))
    resumed.keep(tmp_path / "again.pt")
    first, second = (read_kept_weights(tmp_path / name) for name in ("kept.pt", "again.pt"))
    assert second.metrics == first.metrics
    assert torch.equal(embedded(second.embedder, data), embedded(first.embedder, data))


@pytest.mark.parametrize("views", [1, 2])
def test_a_frozen_trunk(
    views: int, make_config: MakeConfig, make_data: MakeData, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    trunk = timm.create_model("test_resnet", num_classes=0, in_chans=1)
    torch.save(trunk.state_dict(), tmp_path / "trunk.pt")
    changes = {"augmentation": "standard", "trunk": "frozen", "views": views}
    config = make_config(weights=tmp_path / "trunk.pt", loss="contrastive", **changes)
    data = dataclasses.replace(make_data(size=16), cache=tmp_path / "cache")
    trained(config, data)  # the sweep's features are there
    oracle, expected = trained(
        config.model_copy(update={"evaluate_every": config.epochs}), merged_by_hand(data)
    )
    run = confirmation(config, data)
    assert scores(run.advance().metrics) == scores(expected.metrics)
    run.keep(tmp_path / "kept.pt")
    (tmp_path / "trunk.pt").unlink()
    kept = read_kept_weights(tmp_path / "kept.pt")
    assert kept.config == config
    found = embedded(kept.embedder, data)
    assert torch.allclose(found, oracle.embed(data.test), atol=1e-5)


def test_a_batch_of_too_many_classes(make_config: MakeConfig, data: SplitDataset) -> None:
    config = make_config(batch_size=52)
    with pytest.raises(InputError, match="needs 13 classes, the training split has 8"):
        trained(config, data)
    confirmation(config, data).advance()
    with pytest.raises(InputError, match="needs 15 classes, the training split has 14"):
        confirmation(make_config(batch_size=60), data).advance()


def test_a_run_that_fails(make_config: MakeConfig, data: SplitDataset, tmp_path: Path) -> None:
    run = confirmation(make_config(learning_rate=1e30), data)
    with pytest.raises(TrialFailed):
        run.advance()
    with pytest.raises(ValueError, match="no weights to keep"):
        run.keep(tmp_path / "kept.pt")
