import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from objectives import InputError
from trainer import KeptWeights, TrialConfig, build_embedder, load_embedder, read_kept_weights
from trainer.trunk_input import TrunkInput
from trainer.weights import read_weights

from .factories import MakeConfig

METRICS = {"recall_at_1": 0.9, "operating_threshold": 1.02}


# As no trunk of timm's has it.
SEEN = TrunkInput(
    mean=(0.1, 0.2, 0.3),
    std=(0.5, 0.6, 0.7),
    interpolation="bicubic",
    crop_share=0.7,
    crop_mode="center",
)


def weights_of(config: TrialConfig, *, channels: int = 3, size: int = 32) -> KeptWeights:
    torch.manual_seed(2)
    embedder = build_embedder(config, channels=channels, image_size=size, trunk_input=SEEN)
    for name, value in embedder.state_dict().items():
        if "running" in name:  # statistics that no new model has
            value += torch.rand_like(value)
    return KeptWeights(config=config, trunk_input=SEEN, metrics=METRICS, embedder=embedder)


@pytest.fixture
def file(make_config: MakeConfig, tmp_path: Path) -> Path:
    weights_of(make_config()).save(tmp_path / "kept.pt")
    return tmp_path / "kept.pt"


def embed(kept: KeptWeights, *, channels: int = 3, size: int = 32) -> Tensor:
    images = torch.rand(5, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found: Tensor = kept.embedder.eval()(images)
    return found


def refused(path: Path) -> str:
    """What is said of a file, which is one sentence that begins with the file."""
    with pytest.raises(InputError) as caught:
        load_embedder(path)
    message = str(caught.value)
    assert caught.value.file == path
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def changed(file: Path, **changes: object) -> Path:
    """Another file of the same content but for these keys; without those that are None."""
    content = torch.load(file, weights_only=True) | changes
    path = file.with_name("changed.pt")
    torch.save({key: value for key, value in content.items() if value is not None}, path)
    return path


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        ({}, 1),
        ({"backbone": "test_vit"}, 3),
        ({"backbone": "test_efficientnet", "freeze_batch_norm": True, "micro_batch_size": 4}, 3),
        ({"pooling": "gem", "head_layer_norm": True, "loss": "proxy_anchor"}, 3),
        ({"schedule": "step", "step_epochs": [1], "compile_trunk": True}, 3),
    ],
)
def test_a_loaded_embedder_is_the_one_that_was_kept(
    changes: dict[str, Any], channels: int, make_config: MakeConfig, tmp_path: Path
) -> None:
    kept = weights_of(make_config(**changes), channels=channels)
    kept.save(tmp_path / "kept.pt")
    found = read_kept_weights(tmp_path / "kept.pt")
    assert not any(module.training for module in found.embedder.modules())
    assert torch.equal(embed(found, channels=channels), embed(kept, channels=channels))
    assert (found.config, found.metrics) == (kept.config, METRICS)
    assert found.trunk_input == found.embedder.trunk_input == kept.trunk_input
    assert (found.embedder.channels, found.embedder.image_size) == (channels, 32)


def test_a_path_may_be_a_text(file: Path) -> None:
    assert load_embedder(str(file)).head.out_features == 16


def test_it_holds_plain_data_and_the_embedder_alone(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    kept = weights_of(make_config(loss="proxy_anchor"))
    kept.save(tmp_path / "kept.pt")
    content = torch.load(tmp_path / "kept.pt", weights_only=True)
    assert content["format"] == 1
    assert content["config"] == kept.config.model_dump(mode="json")
    assert (content["channels"], content["image_size"], content["metrics"]) == (3, 32, METRICS)
    assert content["trunk_input"] == dataclasses.asdict(SEEN)
    assert content["embedder"].keys() == kept.embedder.state_dict().keys()
    assert {each.device.type for each in content["embedder"].values()} == {"cpu"}


@pytest.mark.parametrize("source", ["pretrained", "weights", "frozen"])
def test_where_weights_were_from_is_kept_and_not_gone_to(
    source: str, make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"pretrained": True}
    if source != "pretrained":
        changes = {"weights": tmp_path / "gone.pt"}
    if source == "frozen":
        changes |= {"trunk": "frozen", "views": 2}
    plain = weights_of(make_config())
    kept = dataclasses.replace(plain, config=make_config(**changes))
    kept.save(tmp_path / "kept.pt")
    create, asked = timm.create_model, list[object]()

    def created(*args: Any, **words: Any) -> Any:
        asked.append(words["pretrained"])
        return create(*args, **words)

    monkeypatch.setattr(timm, "create_model", created)
    found = read_kept_weights(tmp_path / "kept.pt")
    assert asked == [False]
    assert found.config == kept.config
    assert torch.equal(embed(found), embed(plain))


def test_it_is_written_whole_or_not_at_all(
    file: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def killed(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    other = weights_of(make_config(embedding_dim=4))
    monkeypatch.setattr("trainer.kept_weights.torch.save", killed)
    with pytest.raises(KeyboardInterrupt):
        other.save(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["kept.pt"]
    monkeypatch.undo()
    other.save(file)
    assert load_embedder(file).head.out_features == 4


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.pt") == "there is no such file"
    assert refused(tmp_path) == "there is no such file"


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 half of a zip"])
def test_a_file_of_something_else(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kept.pt"
    path.write_bytes(content)
    assert refused(path) == "is no file of kept weights"


def test_half_of_a_file(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert refused(file) == "is no file of kept weights"


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("touched"),))  # type: ignore[return-value]


@pytest.mark.parametrize("content", [{"weight": torch.ones(2)}, [1, 2], 3, Evil()])
def test_what_torch_saved_of_something_else(
    content: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "kept.pt"
    torch.save(content, path)
    assert refused(path) == "is no file of kept weights"
    assert [each.name for each in tmp_path.iterdir()] == ["kept.pt"]


@pytest.mark.parametrize("number", [0, 2, "1"])
def test_another_format(number: object, file: Path) -> None:
    expected = f"is of format {number!r}, and this version reads format 1 only"
    assert refused(changed(file, format=number, config={"of": "another kind"})) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": None}, "channels: is missing"),
        ({"image_size": 0}, "image_size: must be 1 or more, not 0"),
        ({"config": {"los": "smooth_ap"}}, r"config\.los: unknown key"),
        ({"config": {"batch_size": 5}}, r"config: batch_size \(5\) must be a multiple"),
        ({"embedder": {"head.weight": 3}}, r"embedder\.head\.weight: .*Tensor, not 3"),
        ({"trunk_input": {"mean": [0.5]}}, r"trunk_input\.std: is missing"),
        ({"config": {"backbone": "resnt18"}}, "its model cannot be built: backbone: .*near"),
        ({"config": {"backbone": "nowhere:build"}}, "its model cannot be built: backbone: "),
        ({"image_size": 50, "config": {"backbone": "test_vit"}}, "its model cannot be built: "),
        ({"embedder": {}}, "does not fit its own configuration: it lacks "),
        ({"config": {"embedding_dim": 5}}, "does not fit its own .* in another shape head.weight"),
    ],
)
def test_content_that_makes_no_embedder(changes: dict[str, Any], message: str, file: Path) -> None:
    assert re.match(message, refused(changed(file, **changes)))


def test_it_is_no_file_of_weights_for_a_trunk(file: Path) -> None:
    with pytest.raises(InputError, match="holds no state dict"):
        read_weights(file)
