import dataclasses

import pytest
import torch
from torch import Tensor

import trainer.device_images
from trainer import TrialConfig
from trainer.augment import augmentation_draws, light_augment
from trainer.data import Images, TensorImages
from trainer.image_batches import ImageBatches, embedding_batches, evaluation_crop
from trainer.resample import resample
from trainer.trunk_input import TrunkInput
from trainer.views import EvaluationCrop, evaluation_views, random_views

from .factories import MakeConfig, MakeData

CPU = torch.device("cpu")
TRUNK = TrunkInput(
    mean=(0.5,), std=(0.5,), interpolation="bicubic", crop_share=0.875, crop_mode="center"
)
BATCHES = [torch.tensor([3, 0, 5]), torch.tensor([2, 2])]


@pytest.fixture
def images() -> TensorImages:
    generator = torch.Generator().manual_seed(3)
    return TensorImages(
        pixels=torch.randint(256, (6, 3, 12, 10), dtype=torch.uint8, generator=generator)
    )


class Elsewhere:
    """The same images, as if they had to be fetched."""

    def __init__(self, images: TensorImages) -> None:
        self._images = images
        self.channels, self.shapes = images.channels, images.shapes
        self.fetched: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._images)

    def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
        self.fetched.append(indices.tolist())
        return self._images.crops(indices, boxes)


def batches_of(images: Images, config: TrialConfig, size: int = 8) -> ImageBatches:
    return ImageBatches(images, CPU, EvaluationCrop(size=size, share=0.9), config)


def test_evaluation_takes_the_centre(images: TensorImages, make_config: MakeConfig) -> None:
    for augmentation in ("none", "light", "standard"):
        found = batches_of(images, make_config(augmentation=augmentation)).evaluation(BATCHES)
        for indices, batch in zip(BATCHES, found, strict=True):
            views = evaluation_views(images.shapes[indices], EvaluationCrop(size=8, share=0.9))
            expected = resample(
                images.pixels[indices],
                windows=views.windows,
                boxes=views.boxes,
                mirrored=views.mirrored,
                size=8,
                interpolation="bicubic",
            )
            assert torch.allclose(batch.inputs(), expected, atol=1e-6)


def test_light_augmentation_is_of_what_evaluation_sees(
    images: TensorImages, make_config: MakeConfig
) -> None:
    config = make_config(augmentation="light", horizontal_flip=True, seed=4)
    batches = batches_of(images, config)
    (batch,) = batches.training(BATCHES[:1])
    (plain,) = batches.evaluation(BATCHES[:1])
    draws = augmentation_draws(3, generator=torch.Generator().manual_seed(4))
    expected = light_augment(plain.inputs(), draws, horizontal_flip=True)
    assert torch.equal(batch.inputs(), expected)


def test_standard_augmentation_is_a_random_resized_crop(
    images: TensorImages, make_config: MakeConfig
) -> None:
    changes = {"crop_scale_min": 0.3, "crop_ratio_max": 2, "horizontal_flip": True, "seed": 4}
    config = make_config(augmentation="standard", **changes)
    (batch,) = batches_of(images, config).training(BATCHES[:1])
    views = random_views(
        images.shapes[BATCHES[0]],
        scale_min=0.3,
        ratio_max=2,
        horizontal_flip=True,
        generator=torch.Generator().manual_seed(4),
    )
    expected = resample(
        images.pixels[BATCHES[0]],
        windows=views.windows,
        boxes=views.boxes,
        mirrored=views.mirrored,
        size=8,
        interpolation="bicubic",
    )
    assert torch.allclose(batch.inputs(), expected, atol=1e-6)


@pytest.mark.parametrize("augmentation", ["none", "light", "standard"])
def test_rows_are_the_same_however_they_are_asked_for(
    augmentation: str, images: TensorImages, make_config: MakeConfig
) -> None:
    config = make_config(augmentation=augmentation, horizontal_flip=True)
    (batch,) = batches_of(images, config).training([torch.arange(6)])
    whole = batch.inputs()
    parts = [batch.inputs(rows) for rows in (slice(0, 2), slice(2, 6))]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-6)
    assert whole.shape == (6, 3, 8, 8)
    assert whole.min() >= 0
    assert whole.max() <= 1


@pytest.mark.parametrize("augmentation", ["none", "light", "standard"])
def test_images_fetched_by_a_thread_are_the_same(
    augmentation: str, images: TensorImages, make_config: MakeConfig
) -> None:
    config = make_config(augmentation=augmentation, horizontal_flip=True)
    elsewhere = Elsewhere(images)
    here, there = batches_of(images, config), batches_of(elsewhere, config)
    for one, other in zip(here.training(BATCHES), there.training(BATCHES), strict=True):
        assert torch.equal(one.inputs(), other.inputs())
    assert elsewhere.fetched == [indices.tolist() for indices in BATCHES]
    assert torch.equal(here.generator.get_state(), there.generator.get_state())


def test_squares_of_the_models_size_are_not_resampled(
    make_data: MakeData, make_config: MakeConfig
) -> None:
    data = make_data(size=8, channels=3)
    crop = evaluation_crop(data.dataset, TRUNK)
    assert crop == EvaluationCrop(size=8)
    found = ImageBatches(data.dataset.images, CPU, crop, make_config())
    (batch,) = found.evaluation([torch.arange(5)])
    assert batch.views is None
    assert isinstance(data.dataset.images, TensorImages)
    assert torch.equal(batch.inputs(), data.dataset.images.pixels[:5] / 255)


def test_the_crop_is_the_datas_or_else_the_trunks(make_data: MakeData) -> None:
    data = make_data(size=8).dataset
    data = dataclasses.replace(data, crop_share=None)
    assert evaluation_crop(data, TRUNK) == EvaluationCrop(size=8, share=0.875)
    bilinear = dataclasses.replace(TRUNK, interpolation="bilinear", crop_mode="squash")
    assert evaluation_crop(data, bilinear) == EvaluationCrop(
        size=8, share=0.875, squash=True, interpolation="bilinear"
    )
    # Of what timm names, only these two are offered.
    random = dataclasses.replace(TRUNK, interpolation="lanczos", crop_mode="border")
    assert evaluation_crop(data, random) == EvaluationCrop(size=8, share=0.875)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("augmentation", ["none", "light", "standard"])
@pytest.mark.parametrize("resident", [True, False])
def test_cuda_makes_the_same_images(
    resident: bool,
    augmentation: str,
    images: TensorImages,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda _, on: resident and on != CPU)
    config = make_config(augmentation=augmentation, horizontal_flip=True)
    crop = EvaluationCrop(size=8, share=0.9)
    on_cpu = ImageBatches(images, CPU, crop, config).training(BATCHES)
    on_cuda = ImageBatches(images, torch.device("cuda"), crop, config).training(BATCHES)
    for expected, found in zip(on_cpu, on_cuda, strict=True):
        squares = found.inputs()
        assert squares.is_cuda
        assert torch.allclose(squares.cpu(), expected.inputs(), atol=1e-4)
        assert torch.allclose(found.inputs(slice(1, 2)), squares[1:2], atol=1e-4)


def test_a_cpu_embeds_fewer_large_images_at_a_time() -> None:
    def sizes(image_size: int, config: TrialConfig, device: torch.device) -> list[int]:
        indices = torch.arange(300)
        parts = embedding_batches(indices, config, image_size=image_size, device=device)
        assert torch.equal(torch.cat(parts), indices)
        return [len(part) for part in parts]

    small_steps = TrialConfig(micro_batch_size=7)
    assert sizes(32, TrialConfig(), CPU) == [256, 44]
    assert sizes(64, TrialConfig(), CPU) == [64, 64, 64, 64, 44]
    assert max(sizes(224, TrialConfig(), CPU)) == max(sizes(1024, TrialConfig(), CPU)) == 8
    assert sizes(224, TrialConfig(), torch.device("cuda")) == [256, 44]
    for device in (CPU, torch.device("cuda")):
        assert max(sizes(64, small_steps, device)) == 7
