import copy
import dataclasses
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from objectives import Calibration, InputError
from trainer import SplitDataset, TrainingRun, TrialConfig
from trainer.data import SPLITS
from trainer.embedder import Embedder, build_embedder
from trainer.image_batches import ImageBatches, evaluation_crop
from trainer.trunk_features import FeatureBatches, TrunkFeatures
from trainer.trunk_input import resolve_input

from .factories import MakeConfig, MakeData
from .steps import train_on

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("weights") / "trunk.safetensors"
    trunk = timm.create_model("test_resnet", num_classes=0, in_chans=1)
    save_file(trunk.state_dict(), file)
    return file


@pytest.fixture
def config(weights: Path, make_config: MakeConfig) -> TrialConfig:
    return make_config(backbone="test_resnet", weights=weights, trunk="frozen", loss="contrastive")


@pytest.fixture
def cached(make_data: MakeData, tmp_path: Path) -> SplitDataset:
    return dataclasses.replace(make_data(size=16), cache=tmp_path / "cache")


def embedder_of(config: TrialConfig) -> Embedder:
    return build_embedder(config, channels=1, image_size=16).eval()


def features_of(data: SplitDataset, config: TrialConfig) -> TrunkFeatures:
    return TrunkFeatures(embedder_of(config), data, device=CPU, config=config)


def run_of(data: SplitDataset, config: TrialConfig) -> TrainingRun:
    return TrainingRun(config, data, device=CPU, calibration=Calibration())


def files_in(data: SplitDataset) -> dict[str, bytes]:
    assert data.cache is not None
    return {path.name: path.read_bytes() for path in data.cache.rglob("*.npy")}


@pytest.mark.parametrize("kept", [True, False])
def test_features_are_the_trunks(kept: bool, cached: SplitDataset, config: TrialConfig) -> None:
    data = cached if kept else dataclasses.replace(cached, cache=None)
    embedder = embedder_of(config)
    images = ImageBatches(
        data.dataset.images, CPU, evaluation_crop(data.dataset, embedder.trunk_input), config
    )
    features = features_of(data, config)
    for split in ("train", "validation"):
        (batch,) = images.evaluation([data.indices(split)])
        with torch.no_grad():
            expected = embedder.features(batch.inputs()).numpy()
        np.testing.assert_allclose(features.view(split), expected, atol=1e-5)
    assert isinstance(features.view("train"), np.memmap) is kept


def test_each_view_is_computed_once_for_all_trials(
    cached: SplitDataset, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config.model_copy(update={"augmentation": "standard", "views": 2})
    first = features_of(cached, config)
    views = [first.view("train", number) for number in (1, 2)]
    assert not np.allclose(views[0], views[1])
    written = files_in(cached)
    assert len(written) == 2

    def fail(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(Embedder, "features", fail)
    for seed in (0, 7):
        again = features_of(cached, config.model_copy(update={"seed": seed}))
        np.testing.assert_array_equal(again.view("train", 1), views[0])
    monkeypatch.undo()
    wider = config.model_copy(update={"crop_scale_min": 0.9})
    assert not np.allclose(features_of(cached, wider).view("train", 1), views[0])


def test_other_weights_sizes_and_data_have_features_of_their_own(
    cached: SplitDataset, config: TrialConfig, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    state = timm.create_model("test_resnet", num_classes=0, in_chans=1).state_dict()
    save_file(state, other)
    features_of(cached, config).view("validation")
    features_of(cached, config.model_copy(update={"weights": other})).view("validation")
    features_of(cached, config.model_copy(update={"pooling": "gem"})).view("validation")
    features_of(dataclasses.replace(cached, fingerprint="1"), config).view("validation")
    larger = dataclasses.replace(cached.dataset, image_size=32)
    features_of(dataclasses.replace(cached, dataset=larger), config).view("validation")
    assert cached.cache is not None
    assert len(list(cached.cache.iterdir())) == 5
    # The seed, the head and the loss are not the trunk's.
    features_of(cached, config.model_copy(update={"seed": 3, "embedding_dim": 4})).view("test")
    assert len(list(cached.cache.iterdir())) == 5


def test_the_scaling_of_images_is_a_part_of_features(
    cached: SplitDataset, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of two tags of one architecture, whose weights are a file.
    first = features_of(cached, config).view("validation")
    dark = (0.1, 0.1, 0.1)
    monkeypatch.setattr(
        "trainer.embedder.resolve_input",
        lambda trunk: dataclasses.replace(resolve_input(trunk), mean=dark, std=dark),
    )
    second = features_of(cached, config).view("validation")
    assert not np.allclose(first, second)
    assert len(files_in(cached)) == 1  # of one name, in a folder each
    assert cached.cache is not None
    assert len(list(cached.cache.iterdir())) == 2


OWN_TRUNK = """
import torch

class Trunk(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :8] {change}

def build(**asked):
    return Trunk()
"""


def test_a_trunk_of_ones_own_that_is_changed_has_other_features(
    cached: SplitDataset,
    make_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    config, found = make_config(backbone="trunk_of_mine:build", trunk="frozen"), []
    for change in ("", "+ 1"):
        (tmp_path / "trunk_of_mine.py").write_text(OWN_TRUNK.format(change=change))
        monkeypatch.delitem(sys.modules, "trunk_of_mine", raising=False)
        importlib.invalidate_caches()
        found.append(features_of(cached, config).view("validation"))
    np.testing.assert_allclose(found[1], found[0] + 1, rtol=1e-5)


def test_data_to_be_confirmed_share_the_features_of_what_is_the_same(
    cached: SplitDataset, config: TrialConfig
) -> None:
    merged = cached.for_confirmation()
    sweep, confirmed = features_of(cached, config), features_of(merged, config)
    expected = {split: sweep.view(split) for split in SPLITS}
    found, bare = confirmed.view("train"), dataclasses.replace(merged, cache=None)
    np.testing.assert_allclose(found, features_of(bare, config).view("train"), atol=1e-5)
    both = np.concatenate((expected["train"], expected["validation"]))
    order = torch.cat((cached.train, cached.validation)).argsort().numpy()
    np.testing.assert_allclose(found, both[order], atol=1e-5)
    np.testing.assert_array_equal(confirmed.view("test"), expected["test"])
    kinds = [name.split("-")[0] for name in sorted(files_in(cached))]
    assert kinds == ["test", "train", "train", "validation"]
    np.testing.assert_array_equal(features_of(cached, config).view("train"), expected["train"])


def test_trials_that_ask_at_once_compute_once(
    cached: SplitDataset, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, rows = Embedder.features, list[int]()

    def counted(self: Embedder, images: torch.Tensor) -> torch.Tensor:
        rows.append(len(images))
        return plain(self, images)

    monkeypatch.setattr(Embedder, "features", counted)
    asked = [features_of(cached, config) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: each.view("validation"), asked))
    assert rows == [len(cached.validation)]
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_what_fails_leaves_no_file(
    cached: SplitDataset, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise InputError("gone")

    monkeypatch.setattr(Embedder, "features", fail)
    with pytest.raises(InputError, match="gone"):
        features_of(cached, config).view("train")
    assert files_in(cached) == {}


def test_what_a_killed_process_left_is_cleared(cached: SplitDataset, config: TrialConfig) -> None:
    first = features_of(cached, config)
    first.view("train")
    assert cached.cache is not None
    (file,) = cached.cache.rglob("train-*.npy")
    left = file.with_name(f".{file.name}.0123abcd.partial")
    left.write_bytes(b"half")
    file.unlink()
    features_of(cached, config).view("train")
    assert file.exists()
    assert not left.exists()


@pytest.mark.parametrize("views", [1, 3])
def test_batches_are_rows_of_the_views(
    views: int, cached: SplitDataset, config: TrialConfig
) -> None:
    config = config.model_copy(update={"augmentation": "light", "views": views})
    features = features_of(cached, config)
    batches = FeatureBatches(features, cached, CPU, config)
    numbers = [0] if views == 1 else [1, 2, 3]
    held = np.stack([features.view("train", number) for number in numbers])
    places = torch.arange(len(cached.train)).flip(0)
    (batch,) = batches.training([cached.train[places]])
    whole = batch.inputs().numpy()
    matches = (whole == held[:, places.numpy()]).all(2)
    assert matches.any(0).all()
    assert matches.any(1).all()  # each view is drawn
    assert torch.equal(batch.inputs(slice(2, 5)), batch.inputs()[2:5])
    (batch,) = batches.evaluation([cached.validation[:4]])
    np.testing.assert_array_equal(batch.inputs(), features.view("validation")[:4])


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_a_frozen_trunk_trains_its_head_as_a_held_one_does(
    micro_batch_size: int | None, cached: SplitDataset, config: TrialConfig
) -> None:
    frozen = config.model_copy(update={"micro_batch_size": micro_batch_size})
    held = config.model_copy(update={"trunk": "trained", "head_warmup_epochs": 2})
    one, other = run_of(cached, frozen), run_of(cached, held)
    other.embedder.hold_trunk(True)
    for batch in list(one._batches):
        assert train_on(one, batch) == pytest.approx(train_on(other, batch), abs=1e-5)
    assert torch.allclose(one.embedder.head.weight, other.embedder.head.weight, atol=1e-4)
    expected = other.score("validation")
    assert one.score("validation") == pytest.approx(expected, rel=1e-3, abs=1e-3)
    trained = [each for group in one._optimizer.param_groups for each in group["params"]]
    assert len(trained) == 2  # the head's weight and bias


def test_a_frozen_trial_resumes_where_it_was(cached: SplitDataset, config: TrialConfig) -> None:
    config = config.model_copy(update={"augmentation": "standard", "views": 2})
    whole, first = run_of(cached, config), run_of(cached, config)
    expected = [whole.advance().metrics["recall_at_1"] for _ in range(2)]
    first.advance()
    second = run_of(cached, config)
    second.load_state_dict(first.state_dict())
    assert second.advance().metrics["recall_at_1"] == expected[1]
    assert torch.equal(second.embedder.head.weight, whole.embedder.head.weight)


def test_a_frozen_trial_resumes_within_an_epoch(cached: SplitDataset, config: TrialConfig) -> None:
    config = config.model_copy(update={"augmentation": "standard", "views": 2})
    whole, first, second = (run_of(cached, config) for _ in range(3))
    states: list[dict[str, Any]] = []
    first.between_steps = lambda: states.append(copy.deepcopy(first.state_dict()))
    first.advance()
    whole.advance()
    second.load_state_dict(states[len(states) // 2])
    second.advance()
    assert torch.equal(second.embedder.head.weight, whole.embedder.head.weight)


def test_what_is_not_worth_freezing_is_refused(make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match="a frozen trunk needs weights; set pretrained or weights"):
        make_config(trunk="frozen")
    with pytest.raises(ValueError, match="2 views are kept of a frozen trunk only"):
        make_config(views=2)
    assert make_config(trunk="frozen", pretrained=True, views=2).views == 2
    assert make_config(trunk="frozen", backbone="my:build").trunk == "frozen"


def test_a_views_draws_hang_on_no_trials_micro_batches(
    cached: SplitDataset, config: TrialConfig
) -> None:
    data = dataclasses.replace(cached, cache=None)
    whole, parts = (
        config.model_copy(update={"views": 2, "augmentation": "standard", "micro_batch_size": size})
        for size in (None, 3)
    )
    expected = features_of(data, whole).view("train", 1)
    np.testing.assert_array_equal(features_of(data, parts).view("train", 1), expected)
