import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import trainer.image_batches
from objectives import Calibration, score_embeddings
from trainer import (
    Embedder,
    SplitDataset,
    TrialFailed,
    score_raw_pixels,
    score_untouched_trunk,
)
from trainer.baselines import pixel_embeddings
from trainer.data import TensorImages

from .data.pixels import pixels_of
from .factories import MakeConfig, MakeData

CPU = torch.device("cpu")


def correlation(first: Tensor, second: Tensor) -> float:
    """Normalised cross-correlation of two images, number by number."""
    a, b = first.double().flatten().tolist(), second.double().flatten().tolist()
    x, y = sum(a) / len(a), sum(b) / len(b)
    covered = sum((p - x) * (q - y) for p, q in zip(a, b, strict=True))
    spread = math.sqrt(sum((p - x) ** 2 for p in a) * sum((q - y) ** 2 for q in b))
    return float(covered / spread)


def test_similarities_of_pixels_are_normalised_cross_correlations() -> None:
    views = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    unit = pixel_embeddings(views)
    assert unit.shape == (4, 3 * 36)
    for i in range(4):
        for j in range(4):
            assert float(unit[i] @ unit[j]) == pytest.approx(
                correlation(views[i], views[j]), abs=1e-6
            )


def test_neither_brightness_nor_contrast_matters() -> None:
    views = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pixel_embeddings(views), pixel_embeddings(0.3 * views + 0.2))


@pytest.mark.parametrize("size", [32, 33, 64, 100])
def test_large_images_are_averaged_over_areas(size: int) -> None:
    views = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    unit = pixel_embeddings(views)
    assert unit.shape == (2, 3 * 32 * 32)
    if size == 64:
        means = views.reshape(2, 3, 32, 2, 32, 2).mean((3, 5))
        torch.testing.assert_close(unit, pixel_embeddings(means))


def test_images_of_one_colour_have_one_direction() -> None:
    views = torch.full((3, 1, 4, 4), 0.1) * torch.arange(1, 4)[:, None, None, None]
    unit = pixel_embeddings(views)
    torch.testing.assert_close(unit, torch.full((3, 16), 0.25))


def test_raw_pixels_are_scored_on_the_split(data: SplitDataset) -> None:
    for split in ("validation", "test"):
        indices = data.indices(split)
        unit = pixel_embeddings(pixels_of(data.dataset.images, indices) / 255)
        expected = score_embeddings(unit, data.dataset.labels[indices]).metrics()
        found = score_raw_pixels(data, device=CPU, calibration=Calibration(), split=split)
        assert found == pytest.approx(expected)
        assert found["recall_at_1"] > 0.8  # noisy copies of one image a class


def test_batches_change_nothing(
    data: SplitDataset, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(backbone="test_resnet")
    whole = score_raw_pixels(data, device=CPU, calibration=Calibration())
    trunk = score_untouched_trunk(config, data, device=CPU, calibration=Calibration())
    monkeypatch.setattr(trainer.image_batches, "_BATCH", 7)
    assert score_raw_pixels(data, device=CPU, calibration=Calibration()) == pytest.approx(whole)
    again = score_untouched_trunk(config, data, device=CPU, calibration=Calibration())
    assert again == pytest.approx(trunk, rel=1e-3)


def test_the_trunk_is_scored_without_its_head(data: SplitDataset, make_config: MakeConfig) -> None:
    config = make_config(backbone="test_resnet", seed=3)
    torch.manual_seed(3)
    embedder = Embedder(
        backbone="test_resnet", pretrained=False, embedding_dim=2, channels=1, image_size=8
    ).eval()
    pixels = pixels_of(data.dataset.images, data.validation) / 255
    with torch.inference_mode():
        features = embedder.trunk((pixels - embedder.mean) / embedder.std)
    expected = score_embeddings(features, data.dataset.labels[data.validation]).metrics()
    found = score_untouched_trunk(config, data, device=CPU, calibration=Calibration())
    assert found == pytest.approx(expected, rel=1e-4)


def test_what_cannot_be_scored_says_so(make_data: MakeData) -> None:
    data = make_data()
    blank = torch.zeros(len(data.dataset.images), 1, 8, 8, dtype=torch.uint8)
    alike = replace(data, dataset=replace(data.dataset, images=TensorImages(pixels=blank)))
    with pytest.raises(TrialFailed, match=r"^embeddings collapsed to one point without training$"):
        score_raw_pixels(alike, device=CPU, calibration=Calibration())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_baselines_on_cuda_are_those_of_the_cpu(
    data: SplitDataset, make_config: MakeConfig
) -> None:
    cuda, calibration = torch.device("cuda"), Calibration()
    expected = score_raw_pixels(data, device=CPU, calibration=calibration)
    found = score_raw_pixels(data, device=cuda, calibration=calibration)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    # In bfloat16, whose rounding can change the nearest neighbour of a sample or two of 48.
    config = make_config(backbone="test_resnet")
    trunk = score_untouched_trunk(config, data, device=CPU, calibration=calibration)
    half = score_untouched_trunk(config, data, device=cuda, calibration=calibration)
    assert half["recall_at_1"] == pytest.approx(trunk["recall_at_1"], abs=0.05)
    assert half["opis"] == pytest.approx(trunk["opis"], rel=0.2, abs=1e-3)
