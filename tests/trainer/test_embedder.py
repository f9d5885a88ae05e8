import pytest
import timm
import torch
from torch import Tensor

from objectives import InputError
from trainer import Embedder, TrialConfig, build_embedder, check_backbone
from trainer.trunk_input import TrunkInput

from .losses.gradients import gradient


def embedder(
    backbone: str = "test_resnet",
    *,
    dim: int = 16,
    channels: int = 1,
    size: int = 32,
    head_layer_norm: bool = False,
    freeze_batch_norm: bool = False,
) -> Embedder:
    return Embedder(
        backbone=backbone,
        pretrained=False,
        embedding_dim=dim,
        channels=channels,
        image_size=size,
        head_layer_norm=head_layer_norm,
        freeze_batch_norm=freeze_batch_norm,
    )


def images(count: int = 3, channels: int = 1, size: int = 32) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "backbone",
    [
        *("test_resnet", "test_efficientnet", "test_convnext", "test_nfnet"),
        # Built for one size of image, which must follow ours.
        *("test_vit", "test_vit3", "test_vit_relpos", "test_coatnet"),
    ],
)
def test_embeds_as_unit_vectors(backbone: str, channels: int) -> None:
    torch.manual_seed(0)
    model = embedder(backbone, dim=24, channels=channels)
    assert all(module.training for module in model.modules())
    embeddings = model(images(channels=channels))
    assert embeddings.shape == (3, 24)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3), atol=1e-6)
    embeddings[:, 0].sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert gradient(model.head.weight).abs().sum() > 0


@pytest.mark.parametrize("size", [8, 33, 96])
def test_convolutional_trunks_take_any_size(size: int) -> None:
    assert embedder(size=size)(images(size=size)).shape == (3, 16)


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("test_vit", 50),  # no multiple of its patches
        ("test_vit", 8),  # smaller than a patch
        ("test_convnext", 8),
        ("test_coatnet", 8),
        ("test_maxvit", 8),
    ],
)
def test_a_size_that_the_trunk_does_not_take(backbone: str, size: int) -> None:
    with pytest.raises(InputError, match=f"^backbone: '{backbone}' does not take") as e:
        embedder(backbone, size=size)
    assert f"{size} x {size}" in str(e.value)
    assert "data.image_size" in str(e.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnt18", "resnet18"),
        ("test_resnt", "test_resnet"),
        ("vit", "vit_"),
        ("ResNet18", "resnet"),
    ],
)
def test_an_unknown_backbone_is_told_near_ones(name: str, near: str) -> None:
    for refuse in (check_backbone, embedder):
        with pytest.raises(InputError, match=f"^backbone: .*'{name}'; near: .*{near}"):
            refuse(name)


def test_an_unknown_backbone_without_near_ones() -> None:
    with pytest.raises(InputError, match=r"'qqqqqqqq'; timm\.list_models\(\) lists"):
        check_backbone("qqqqqqqq")


def test_an_unknown_tag_is_refused() -> None:
    check_backbone("resnet18.a1_in1k")
    with pytest.raises(InputError, match=r"^backbone: 'resnet18\.no_such': .*no_such"):
        check_backbone("resnet18.no_such")


def test_weights_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match=r"^pretrained: .*'test_resnet'.*no network"):
        Embedder(
            backbone="test_resnet", pretrained=True, embedding_dim=8, channels=1, image_size=32
        )


def test_pixels_are_normalised_as_the_trunk_expects() -> None:
    name = "test_efficientnet"  # whose channels differ
    cfg = timm.get_pretrained_cfg(name)
    colour, grey = embedder(name, channels=3), embedder(name, channels=1)
    assert colour.mean.flatten().tolist() == pytest.approx(cfg.mean)
    assert colour.std.flatten().tolist() == pytest.approx(cfg.std)
    assert grey.mean.item() == pytest.approx(sum(cfg.mean) / 3)
    assert grey.std.item() == pytest.approx(sum(cfg.std) / 3)
    batch = images(channels=3)
    with torch.no_grad():
        colour.eval()
        raw = colour.trunk((batch - torch.tensor(cfg.mean).view(3, 1, 1)) / colour.std)
        expected = torch.nn.functional.normalize(colour.head(raw), dim=1)
        assert torch.allclose(colour(batch), expected, atol=1e-6)


def test_an_input_that_is_known_takes_the_place_of_the_trunks() -> None:
    asked = TrunkInput(
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 4.0),
        interpolation="bilinear",
        crop_share=0.5,
        crop_mode="squash",
    )
    config = TrialConfig(backbone="test_efficientnet")
    model = build_embedder(config, channels=3, image_size=40, trunk_input=asked)
    assert (model.channels, model.image_size, model.trunk_input) == (3, 40, asked)
    assert model.mean.flatten().tolist() == pytest.approx(asked.mean)
    assert model.std.flatten().tolist() == pytest.approx(asked.std)


def test_only_weights_are_saved_and_building_one_leaves_no_trace() -> None:
    torch.manual_seed(3)
    first = embedder()
    assert not {"mean", "std"} & set(first.state_dict())
    # Trying the trunk's size must not have moved its running statistics.
    assert all(b.sum() == 0 for n, b in first.named_buffers() if n.endswith("running_mean"))
    torch.manual_seed(3)
    second = embedder()
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_channels_come_last_in_memory_and_first_in_shape() -> None:
    torch.manual_seed(0)
    model = embedder(channels=3)
    plain = embedder(channels=3).to(memory_format=torch.contiguous_format)
    plain.load_state_dict(model.state_dict())
    seen = []
    model.trunk.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    batch = images(channels=3)
    embeddings = model(batch)
    assert seen[0].shape == batch.shape
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    kernels = [p for p in model.parameters() if p.ndim == 4]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    with torch.no_grad():
        features = plain.trunk((batch - plain.mean) / plain.std)
        expected = torch.nn.functional.normalize(plain.head(features), dim=1)
    assert torch.allclose(embeddings, expected, atol=1e-5)


def test_float64_stays_float64() -> None:
    model = embedder().double()
    assert model(images().double()).dtype == torch.float64


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_trunk_computes_in_half_precision_and_embeddings_are_float32() -> None:
    torch.manual_seed(0)
    model = embedder(channels=3)
    batch = images(channels=3)
    expected = model.eval()(batch)
    seen = []
    model.cuda().trunk.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    found = model(batch.cuda())
    half = torch.cuda.is_bf16_supported(including_emulation=False)
    assert seen == [torch.bfloat16 if half else torch.float32]
    assert found.dtype == torch.float32
    assert torch.allclose(found.norm(dim=1).cpu(), torch.ones(3), atol=1e-6)
    assert (found.cpu() * expected).sum(1).min() > 0.99


def test_a_layer_norm_before_the_head() -> None:
    torch.manual_seed(0)
    model = embedder(dim=5, head_layer_norm=True).eval()
    assert model.state_dict()["head_norm.weight"].shape == (96,)
    features = model.features(images())
    centred = features - features.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    expected = torch.nn.functional.normalize(model.head(scaled), dim=1)
    assert torch.allclose(model(images()), expected, atol=1e-5)


def test_frozen_batch_norms_keep_statistics_and_weights() -> None:
    torch.manual_seed(0)
    model = embedder("test_efficientnet", dim=5, freeze_batch_norm=True)
    norms = [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    assert norms
    before = {name: value.clone() for name, value in model.named_buffers()}
    assert any(name.endswith("running_mean") for name in before)
    for _ in range(2):
        training = model.train()(images())
        training.sum().backward()
        assert torch.allclose(training, model.eval()(images()), atol=1e-6)
        model.hold_trunk(True)
        model.hold_trunk(False)
    assert all(torch.equal(before[name], value) for name, value in model.named_buffers())
    assert all(p.grad is None and not p.requires_grad for norm in norms for p in norm.parameters())
    assert any(p.grad is not None for p in model.trunk.parameters())


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norms_keep_the_precision_of_what_they_normalise(frozen: bool) -> None:
    model = embedder("test_efficientnet", dim=5, freeze_batch_norm=frozen)
    seen: list[torch.dtype] = []
    for name, module in model.trunk.named_modules():
        if name.split(".")[-1].startswith("bn"):
            module.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.trunk(images())
    assert len(seen) > 5
    assert {*seen} == {torch.bfloat16}
