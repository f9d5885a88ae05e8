from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer import SplitDataset, predict_memory, probe_trial
from trainer.embedder import Embedder
from trainer.rehearsal import few_images, noise_embeddings

from .factories import MakeConfig

CPU = torch.device("cpu")


def test_few_images_are_those_of_one_batch(data: SplitDataset, make_config: MakeConfig) -> None:
    config = make_config(batch_size=12, samples_per_class=3)
    shuffled = data.train[torch.randperm(len(data.train))]
    few = few_images(config, replace(data, train=shuffled))
    labels = data.dataset.labels
    assert sorted(Counter(labels[few.train].tolist()).values()) == [3, 3, 3, 3]
    assert {*few.train.tolist()} < {*data.train.tolist()}
    assert torch.equal(few.validation, data.validation)


def test_a_rehearsal_computes_few_features_and_keeps_none(
    data: SplitDataset, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = make_config(
        backbone="test_resnet", trunk="frozen", weights="not loaded", views=3, batch_size=16
    )
    cached = replace(data, cache=tmp_path)
    embedded: list[int] = []
    features = Embedder.features

    def counted(self: Embedder, views: Tensor) -> Tensor:
        embedded.append(len(views))
        return features(self, views)

    monkeypatch.setattr(Embedder, "features", counted)
    assert probe_trial(config, cached, device=CPU).feature_seconds > 0
    predict_memory(config, cached, device=CPU)
    assert max(embedded) == 16
    assert sum(embedded) < len(data.train) * len(embedded)
    assert len(embedded) == 4  # of two runs and of their timing, and of the prediction: one view
    assert [*tmp_path.iterdir()] == []


def test_noise_is_of_unit_length_and_the_same_each_time() -> None:
    noise = noise_embeddings(5, 7, CPU)
    assert torch.allclose(noise.norm(dim=1), torch.ones(5))
    assert torch.equal(noise, noise_embeddings(5, 7, CPU))
