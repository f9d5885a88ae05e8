import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from objectives import InputError
from trainer import TrialConfig, build_loss, load_tuned_margins, read_tuned_margins
from trainer.losses import tcm_loss

TEXT = """\
format: 2
sweep: shoes
trial: 17
pick: knee
loss: smooth_ap
margin_positive: 0.85
margin_negative: 0.35
weight_positive: 1.5
weight_negative: 0.5
batch_size: 24
samples_per_class: 4
config:
  loss: smooth_ap
  margin_positive: 0.85
  margin_negative: 0.35
  weight_positive: 1.5
  weight_negative: 0.5
  batch_size: 24
  samples_per_class: 4
  embedding_dim: 16
  learning_rate: 5.0e-05
metrics: {recall_at_1: 0.91, opis: 0.0031}
split: validation
epoch: 30
seeds: [0, 1, 2]
control:
  trial: 0
  seeds: [1000000, 1000001]
  split: validation
  metrics: {recall_at_1: 0.92, opis: 0.0055}
  tuned: {recall_at_1: 0.91, opis: 0.0031}
  difference:
    recall_at_1: {value: -0.01, low: -0.03, high: 0.01}
    opis: {value: -0.0024, low: null, high: null}
operating_point:
  distance: 1.02
  cosine_similarity: 0.4798
  far: 0.05
  d_min: 0.9
  d_max: 1.1
  split: validation
data:
  source: {name: glyphs}
  fingerprint: abc
  train_classes: 6
provenance: {python: 3.11.9, created_at: '2024-05-06T07:08:09+00:00', front_trials: [3, 17]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "margins.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return file


def rewrite(
    path: Path, change: Callable[[dict[str, Any]], object], at: tuple[str, ...] = ()
) -> Path:
    """Apply a change to the mapping at that place in the file."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    section = raw
    for key in at:
        section = section[key]
    change(section)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def with_loss(path: Path, name: str) -> Path:
    rewrite(path, lambda raw: raw.update(loss=name))
    return rewrite(path, lambda config: config.update(loss=name), ("config",))


def batch(classes: int = 6) -> tuple[Tensor, Tensor]:
    labels = torch.arange(classes).repeat_interleave(4)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(len(labels), 16, generator=generator)
    return 2 * torch.eye(classes, 16)[labels] + noise, labels


def test_a_file_is_read_and_written_back_alike(path: Path, tmp_path: Path) -> None:
    margins = read_tuned_margins(path)
    assert (margins.margin_positive, margins.margin_negative) == (0.85, 0.35)
    assert margins.config.learning_rate == 5e-5
    assert margins.config.epochs == TrialConfig().epochs
    assert margins.seeds == (0, 1, 2)
    assert margins.control is not None
    assert margins.control.difference["opis"].value == -0.0024
    copy = tmp_path / "copy.yaml"
    copy.write_text(yaml.safe_dump(margins.model_dump(mode="json")), encoding="utf-8")
    assert read_tuned_margins(str(copy)) == margins


def test_a_file_of_the_first_format_loses_its_unpaired_control(path: Path) -> None:
    def as_it_was(raw: dict[str, Any]) -> None:
        difference = {"recall_at_1": -0.01, "opis": -0.0024}
        raw.update(format=1, control={"trial": 0, "metrics": {}, "difference": difference})

    margins = read_tuned_margins(rewrite(path, as_it_was))
    assert (margins.format, margins.control, margins.default) == (2, None, None)
    assert margins.margin_positive == 0.85


def test_a_failed_control_may_be_absent(path: Path) -> None:
    assert read_tuned_margins(rewrite(path, lambda raw: raw.update(control=None))).control is None


@pytest.mark.parametrize("name", ["smooth_ap", "proxy_anchor", "multi_similarity"])
def test_the_loaded_loss_is_the_trials(path: Path, name: str) -> None:
    embeddings, labels = batch()
    config = read_tuned_margins(with_loss(path, name)).config
    torch.manual_seed(0)
    expected = build_loss(config, num_classes=6)(embeddings, labels)
    torch.manual_seed(0)
    loss = load_tuned_margins(path)
    assert loss(embeddings, labels).item() == expected.item()
    tcm = tcm_loss(
        embeddings,
        labels,
        margin_positive=0.85,
        margin_negative=0.35,
        weight_positive=1.5,
        weight_negative=0.5,
    )
    assert tcm.item() > 0
    assert loss(embeddings, labels).item() == pytest.approx(
        loss.base(embeddings, labels).item() + tcm.item(), abs=1e-5
    )


def test_the_classes_of_your_own_training_set(path: Path) -> None:
    with_loss(path, "proxy_anchor")
    assert [p.shape for p in load_tuned_margins(path).proxy_parameters()] == [(6, 16)]
    own = load_tuned_margins(path, num_classes=11)
    assert [p.shape for p in own.proxy_parameters()] == [(11, 16)]
    assert math.isfinite(own(*batch(11)).item())
    with pytest.raises(ValueError, match=r"num_classes \(0\)"):
        load_tuned_margins(path, num_classes=0)


@pytest.mark.parametrize("name", ["smooth_ap", "arcface"])
def test_ten_steps_of_plain_pytorch_lower_it(path: Path, name: str) -> None:
    torch.manual_seed(0)
    loss = load_tuned_margins(with_loss(path, name))
    model = nn.Linear(16, 16)
    optimizer = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=0.03)
    images, labels = batch()
    values = []
    for _ in range(10):
        value = loss(model(images), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize(
    ("at", "change", "message"),
    [
        ((), {"margin_positve": 0.9}, "margin_positve: unknown key"),
        (("config",), {"lr": 1}, r"config\.lr: unknown key"),
        (("data",), {"rows": 1}, r"data\.rows: unknown key"),
        (("operating_point",), {"distance": "far"}, r"operating_point\.distance: .*number"),
        (("config",), {"margin_negative": 0.9}, r"config: margin_positive \(0\.85\) must be"),
        (("data",), {"train_classes": 0}, r"data\.train_classes: must be 1 or more, not 0"),
        ((), {"format": 3}, "format: must be 2, not 3"),
    ],
)
def test_a_fault_is_named_with_its_file_and_field(
    path: Path, at: tuple[str, ...], change: dict[str, Any], message: str
) -> None:
    rewrite(path, lambda section: section.update(change), at)
    for read in (read_tuned_margins, load_tuned_margins):
        with pytest.raises(InputError, match=f"^{path}: {message}"):
            read(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loss", "arcface"),
        ("margin_positive", 0.95),
        ("margin_negative", 0.3),
        ("weight_positive", 1.0),
        ("weight_negative", 1.0),
        ("batch_size", 32),
        ("samples_per_class", 2),
    ],
)
def test_a_short_list_that_disagrees_is_refused(path: Path, field: str, value: object) -> None:
    rewrite(path, lambda raw: raw.update({field: value}))
    with pytest.raises(InputError, match=f"{path.name}: .*{field} is {value} but config.{field} "):
        read_tuned_margins(path)


@pytest.mark.parametrize("field", ["margin_positive", "config", "operating_point", "data"])
def test_a_missing_field_is_named(path: Path, field: str) -> None:
    rewrite(path, lambda raw: raw.pop(field))
    with pytest.raises(InputError, match=f"^{path}: {field}: is missing"):
        read_tuned_margins(path)


@pytest.mark.parametrize(
    "content",
    [b"a: [1", b"\xff\xfe\x00", b"when: 2024-13-45", b"a: !!python/object:os.system {}"],
)
def test_a_file_that_is_no_yaml(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: is not a YAML file"):
        read_tuned_margins(path)


@pytest.mark.parametrize("content", ["", "just text", "- 1\n- 2"])
def test_a_file_that_is_no_mapping(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(InputError, match=f"^{path}: must be a mapping, not "):
        read_tuned_margins(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        read_tuned_margins(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_tuned_margins(tmp_path)


def test_the_loss_takes_batches_of_any_layout(path: Path) -> None:
    """The trial's batches were balanced; those of a user need not be."""
    labels = torch.tensor([0] * 9 + [1] * 2 + [2])
    embeddings = torch.randn(12, 8, generator=torch.Generator().manual_seed(0))
    value = load_tuned_margins(path)(embeddings, labels)
    assert torch.isfinite(value)
