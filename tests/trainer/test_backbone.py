import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from objectives import InputError
from trainer import Embedder, SplitDataset, check_backbone, train

from .factories import MakeConfig

Write = Callable[[str], str]
SOUND = """
from torch import nn


class Trunk(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images):
        return self.body(images)


def build(*, pretrained, in_chans, img_size):
    trunk = Trunk(in_chans)
    trunk.asked = (pretrained, in_chans, img_size)
    return trunk


def normalised(**words):
    trunk = build(**words)
    trunk.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    return trunk


class builders:
    build = staticmethod(build)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module of a new name where Python finds it, and return the name."""
    monkeypatch.syspath_prepend(tmp_path)
    numbers = itertools.count()

    def write_module(source: str) -> str:
        name = f"{tmp_path.name}_{next(numbers)}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write_module


def embedder(backbone: str, *, pretrained: bool = False, channels: int = 3) -> Embedder:
    return Embedder(
        backbone=backbone,
        pretrained=pretrained,
        embedding_dim=5,
        channels=channels,
        image_size=16,
    )


@pytest.mark.parametrize("name", ["build", "builders.build"])
def test_a_trunk_of_ones_own(name: str, write: Write) -> None:
    backbone = f"{write(SOUND)}:{name}"
    check_backbone(backbone)
    model = embedder(backbone, pretrained=True)
    assert model.trunk.asked == (True, 3, 16)
    assert model.head.in_features == 7
    assert all(module.training for module in model.modules())
    embeddings = model(torch.rand(2, 3, 16, 16))
    assert embeddings.shape == (2, 5)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-6)


def test_its_pixels_are_normalised_as_it_says_or_as_imagenets(write: Write) -> None:
    module = write(SOUND)
    plain, own = embedder(f"{module}:build"), embedder(f"{module}:normalised")
    assert plain.mean.flatten().tolist() == pytest.approx(IMAGENET_DEFAULT_MEAN)
    assert plain.std.flatten().tolist() == pytest.approx(IMAGENET_DEFAULT_STD)
    assert own.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert own.std.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])


def test_it_trains(write: Write, make_config: MakeConfig, data: SplitDataset) -> None:
    config = make_config(backbone=f"{write(SOUND)}:build", epochs=1)
    assert train(config, data, report=lambda _: True).epoch == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("build = 3", "'{0}:build' cannot be called; it is of type int"),
        ("def other(): ...", "'{0}:build': the module '{0}' has no 'build'"),
        ("1 / 0", r"'{0}:build': the module '{0}' cannot be imported \(division by zero\)"),
        (
            "import no_such_thing",
            r"the module '{0}' cannot be imported \(No module .*no_such_thing",
        ),
        ("def build(**words): return 3", "'{0}:build' must return a torch module, not int"),
        ("def build(): ...", r"'{0}:build' failed \(build\(\) got an unexpected keyword .*\)"),
        (
            "from torch import nn\ndef build(**words): return nn.Identity()",
            "'{0}:build' must map an image to 1 x F features, not to 1 x 3 x 16 x 16",
        ),
        (
            "from torch import nn\ndef build(**words): return nn.Linear(3, 3)",
            r"'{0}:build' does not take images of 16 x 16 pixels \(.*\); set data\.image_size",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said(source: str, message: str, write: Write) -> None:
    module = write(source)
    with pytest.raises(InputError, match="^backbone: .*" + message.format(module)) as caught:
        embedder(f"{module}:build")
    assert caught.value.fields == ("backbone",)


def test_a_module_that_there_is_not() -> None:
    message = r"^backbone: 'nowhere\.at_all:build': there is no module 'nowhere' among those"
    for refuse in (check_backbone, embedder):
        with pytest.raises(InputError, match=message):
            refuse("nowhere.at_all:build")
