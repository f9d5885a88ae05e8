import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from trainer import Embedder
from trainer.trunk_input import TrunkInput, resolve_input

DEFAULT = TrunkInput(
    mean=IMAGENET_DEFAULT_MEAN,
    std=IMAGENET_DEFAULT_STD,
    interpolation="bicubic",
    crop_share=0.875,
    crop_mode="center",
)


def test_a_trunk_of_timm_says_its_own() -> None:
    for name in ("test_resnet", "test_vit", "test_efficientnet"):
        known = timm.get_pretrained_cfg(name)
        found = Embedder(
            backbone=name, pretrained=False, embedding_dim=4, channels=3, image_size=32
        ).trunk_input
        assert found == TrunkInput(
            mean=known.mean,
            std=known.std,
            interpolation=known.interpolation,
            crop_share=known.crop_pct,
            crop_mode=known.crop_mode or "center",
        )


def test_what_a_trunk_does_not_say_is_the_default() -> None:
    trunk = torch.nn.Linear(2, 2)
    assert resolve_input(trunk) == DEFAULT
    trunk.pretrained_cfg = "not a mapping"  # type: ignore[assignment]
    assert resolve_input(trunk) == DEFAULT
    trunk.pretrained_cfg = {"std": [1, 2, 3], "crop_pct": 1.0}  # type: ignore[assignment]
    found = resolve_input(trunk)
    assert (found.mean, found.std, found.crop_share) == (DEFAULT.mean, (1, 2, 3), 1.0)
