import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from objectives import InputError
from trainer import Embedder
from trainer.weights import read_weights

STEM = "conv1.0.weight"
Save = Callable[[dict[str, Tensor], Path], None]


def as_safetensors(state: dict[str, Tensor], path: Path) -> None:
    save_file(state, path)


FORMATS: dict[str, Save] = {".safetensors": as_safetensors, ".pt": torch.save, ".pth": torch.save}


def model(backbone: str = "test_resnet", seed: int = 5, **words: Any) -> nn.Module:
    """A whole model of timm, its classifier with it."""
    torch.manual_seed(seed)
    made: nn.Module = timm.create_model(backbone, **words)
    return made


def embedder(
    weights: Path, backbone: str = "test_resnet", *, channels: int = 3, size: int = 64
) -> Embedder:
    return Embedder(
        backbone=backbone,
        pretrained=False,
        embedding_dim=4,
        channels=channels,
        image_size=size,
        weights=weights,
    )


def refused(weights: Path, backbone: str = "test_resnet") -> str:
    with pytest.raises(InputError) as caught:
        embedder(weights, backbone)
    message = str(caught.value)
    assert message.startswith(f"{weights}")
    assert "\n" not in message
    return message.removeprefix(f"{weights}")


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_what_timm_saved_is_loaded(suffix: str, backbone: str, tmp_path: Path) -> None:
    saved, path = model(backbone), tmp_path / f"trunk{suffix}"
    FORMATS[suffix](saved.state_dict(), path)
    trunk = embedder(path, backbone).trunk
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, saved.state_dict()[name]), name
    assert "state_dict" not in getattr(trunk, "pretrained_cfg", {"state_dict": "missing"})
    images = torch.rand(2, 3, 64, 64)
    whole = timm.create_model(backbone, num_classes=0)
    whole.load_state_dict(saved.state_dict(), strict=False)
    assert torch.allclose(trunk.eval()(images), whole.eval()(images), atol=1e-6)


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit3"])
def test_positions_follow_the_size_of_the_images(backbone: str, tmp_path: Path) -> None:
    saved, path = model(backbone).state_dict(), tmp_path / "vit.pt"
    torch.save(saved, path)
    loaded = embedder(path, backbone, size=96).trunk.state_dict()
    assert loaded["pos_embed"].shape != saved["pos_embed"].shape
    same = [name for name in loaded if name != "pos_embed"]
    assert all(torch.equal(loaded[name], saved[name]) for name in same)


def test_grey_images_take_the_sum_of_the_colours(tmp_path: Path) -> None:
    saved, path = model(), tmp_path / "colour.pt"
    torch.save(saved.state_dict(), path)
    stem = embedder(path, channels=1).trunk.state_dict()[STEM]
    assert torch.allclose(stem, saved.state_dict()[STEM].sum(1, keepdim=True))


@pytest.mark.parametrize("wrap", ["state_dict", "model", "state_dict_ema"])
def test_a_training_checkpoint(wrap: str, tmp_path: Path) -> None:
    saved, path = model(), tmp_path / "checkpoint.pth"
    prefixed = {f"module.{key}": value for key, value in saved.state_dict().items()}
    torch.save({wrap: prefixed, "epoch": 3}, path)
    assert torch.equal(embedder(path).trunk.state_dict()[STEM], saved.state_dict()[STEM])


def test_a_folder_that_holds_them(tmp_path: Path) -> None:
    one, other = model(seed=1), model(seed=2)
    (tmp_path / "config.json").write_text("{}")
    torch.save(one.state_dict(), tmp_path / "weights.pt")
    assert torch.equal(read_weights(tmp_path)[STEM], one.state_dict()[STEM])
    save_file(other.state_dict(), tmp_path / "model.safetensors")
    assert torch.equal(read_weights(tmp_path)[STEM], other.state_dict()[STEM])
    (tmp_path / "model.safetensors").rename(tmp_path / "another.safetensors")
    with pytest.raises(InputError, match=r"one file of weights, not another\.safetensors, wei"):
        read_weights(tmp_path)


def test_what_there_is_not(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.pt") == ": weights: there is no such file or folder"
    said = ": weights: a folder must hold one file of weights, not none; name the file"
    assert refused(tmp_path) == said


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kept", [0, 5, 1000, -100])
def test_a_truncated_file(kept: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"trunk{suffix}"
    FORMATS[suffix](model().state_dict(), path)
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(path).startswith(": is no file of weights that can be read (")


class Harmful:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("save", [torch.save, lambda v, p: p.write_bytes(pickle.dumps(v))])
def test_nothing_in_a_file_is_run(
    save: Callable[[Any, Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "harmful.pt"
    save({STEM: Harmful()}, path)
    assert refused(path).startswith(": is no file of weights that can be read (")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [{}, {STEM: 3}, {"state_dict": {}}, [1, 2]])
def test_no_state_dict(content: object, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    assert refused(path).startswith((": holds no state dict", ": is no file of weights"))


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(model("test_vit").state_dict(), path)
    message = refused(path)
    assert message.startswith(": weights: does not fit 'test_resnet': it lacks conv1.0.weight, ")
    assert "; it has, beside what is needed, blocks.0.attn.proj.bias, " in message


def test_keys_that_lack_are_too_many_or_of_another_shape(tmp_path: Path) -> None:
    state, path = model().state_dict(), tmp_path / "odd.pt"
    expected = {
        "lacks bn1.bias": {k: v for k, v in state.items() if k != "bn1.bias"},
        "has, beside what is needed, extra": state | {"extra": torch.zeros(2)},
        "has in another shape bn1.bias": state | {"bn1.bias": torch.zeros(3)},
    }
    for said, changed in expected.items():
        torch.save(changed, path)
        assert refused(path) == f": weights: does not fit 'test_resnet': it {said}"


def test_a_trunk_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(**_: object) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    monkeypatch.setattr("trainer.backbone.import_object", lambda *_, **__: build)
    saved, path = build(), tmp_path / "own.safetensors"
    save_file(saved.state_dict(), path)
    trunk = embedder(path, "here:build").trunk
    assert torch.equal(trunk.state_dict()["0.weight"], saved.state_dict()["0.weight"])
    save_file({"1.weight": torch.zeros(1)}, path)
    assert refused(path, "here:build") == (
        ": weights: does not fit 'here:build': it lacks 0.weight, 0.bias; it has, beside what is "
        "needed, 1.weight"
    )


def test_a_size_that_the_trunk_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "vit.pt"
    torch.save(model("test_vit").state_dict(), path)
    with pytest.raises(InputError, match=r"^backbone: 'test_vit' does not take images of 50 x"):
        embedder(path, "test_vit", size=50)
