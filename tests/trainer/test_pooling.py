import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from objectives import InputError
from trainer import Embedder
from trainer.backbone import feature_map
from trainer.pooling import AverageMax, GeneralizedMean

from .losses.gradients import gradient


def maps(*shape: int) -> Tensor:
    """Features around 0, as after a linear layer."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def oracle(features: Tensor, exponent: float) -> list[list[float]]:
    """The definition, one channel at a time."""
    pooled = []
    for image in features.tolist():
        means = []
        for channel in image:
            powers = [max(value, 1e-6) ** exponent for row in channel for value in row]
            means.append((sum(powers) / len(powers)) ** (1 / exponent))
        pooled.append(means)
    return pooled


@pytest.mark.parametrize("exponent", [1.0, 2.5, 3.0, 20.0])
def test_generalized_mean_is_its_definition(exponent: float) -> None:
    features = maps(2, 3, 4, 5)
    found = GeneralizedMean(exponent).double()(features)
    assert found.shape == (2, 3)
    expected = torch.tensor(oracle(features, exponent), dtype=torch.float64)
    assert torch.allclose(found, expected, rtol=1e-9)


def test_it_lies_between_the_mean_and_the_maximum() -> None:
    features = maps(4, 6, 3, 3).abs() + 0.1
    found = [GeneralizedMean(p).double()(features) for p in (1.0, 3.0, 200.0)]
    assert torch.allclose(found[0], features.mean((2, 3)))
    assert ((found[0] < found[1]) & (found[1] < found[2])).all()
    assert torch.allclose(found[2], features.amax((2, 3)), rtol=2e-2)


def test_its_gradients_to_the_features_and_to_the_exponent() -> None:
    pool = GeneralizedMean().double()
    features = (maps(2, 2, 3, 2).abs() + 0.1).requires_grad_()
    assert gradcheck(lambda f, _: pool(f), (features, pool.exponent))
    pool(-maps(1, 2, 3, 3).abs()).sum().backward()  # nothing above the floor
    assert gradient(pool.exponent).isfinite().all()


def test_average_and_maximum_are_added() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[-1.0, -1.0], [-1.0, -5.0]]]])
    assert AverageMax()(features).tolist() == [[3.0 + 6.0, -2.0 - 1.0]]


def embedder(backbone: str, pooling: str, size: int = 64) -> Embedder:
    torch.manual_seed(0)
    return Embedder(
        backbone=backbone,
        pretrained=False,
        embedding_dim=8,
        channels=3,
        image_size=size,
        pooling=pooling,
    )


@pytest.mark.parametrize("pooling", ["gem", "avg_max"])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_trunks_with_a_map_of_features(backbone: str, pooling: str) -> None:
    model = embedder(backbone, pooling).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    embeddings = model(images)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-6)
    features = feature_map(model.trunk, (images - model.mean) / model.std)
    assert features.ndim == 4
    pool = GeneralizedMean() if pooling == "gem" else AverageMax()
    expected = torch.nn.functional.normalize(model.head(pool(features)), dim=1)
    assert torch.allclose(embeddings, expected, atol=1e-5)
    names = {"gem": ["pooling.exponent"], "avg_max": []}
    assert [name for name in model.state_dict() if name.startswith("pooling")] == names[pooling]


class ChannelsLast(torch.nn.Module):
    """A trunk with Swin's order of the dimensions."""

    output_fmt = "NHWC"

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 7, 8, stride=8)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.patches(images).permute(0, 2, 3, 1)
        return features

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_features(images).mean((1, 2))


def channels_last(**_: object) -> ChannelsLast:
    return ChannelsLast()


def test_channels_may_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.backbone.import_object", lambda *_, **__: channels_last)
    model = embedder("here:channels_last", "avg_max", size=32)
    assert model.head.in_features == 7
    images = torch.rand(2, 3, 32, 32)
    features = model.trunk.get_submodule("patches")((images - model.mean) / model.std)
    assert torch.allclose(model.features(images), AverageMax()(features), atol=1e-6)


def test_swin_has_a_map() -> None:
    model = embedder("swin_tiny_patch4_window7_224", "gem", size=64)
    assert model.head.in_features == 768
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 8)


@pytest.mark.parametrize("backbone", ["test_vit", "here:linear"])
def test_a_trunk_without_one_is_told_so(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def linear(**_: object) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 4))

    monkeypatch.setattr("trainer.backbone.import_object", lambda *_, **__: linear)
    said = f"^pooling: '{backbone}' has no map of features to pool; set pooling: default$"
    with pytest.raises(InputError, match=said) as caught:
        embedder(backbone, "gem")
    assert caught.value.fields == ("pooling",)
    assert embedder(backbone, "default").pooling is None
