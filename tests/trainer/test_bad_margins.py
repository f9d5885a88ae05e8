"""Files of tuned margins, and of kept weights, that are none or disagree with themselves."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from objectives import InputError
from trainer import load_embedder, load_tuned_margins

from .test_tuned_margins import TEXT

Change = Callable[[dict[str, Any]], object]
NAN = float("nan")


def put(value: Any, *place: str) -> Change:
    """Return what sets a value at a place of the file."""

    def change(raw: dict[str, Any]) -> None:
        for key in place[:-1]:
            raw = raw[key]
        raw[place[-1]] = value

    return change


def both(name: str, value: Any) -> Change:
    """Return what sets a value in the short list and in the configuration."""

    def change(raw: dict[str, Any]) -> None:
        raw[name] = raw["config"][name] = value

    return change


CHANGES: dict[str, tuple[Change, str]] = {
    "no configuration": (lambda raw: raw.pop("config"), "config: is missing"),
    "no margin": (lambda raw: raw.pop("margin_positive"), "margin_positive: is missing"),
    "a key of another": (put(1, "marign"), "marign: unknown key"),
    "a newer format": (put(9, "format"), "format: must be 2, not 9"),
    "a format of no number": (put("two", "format"), "format: must be 2, not 'two'"),
    "a text as a margin": (put("wide", "margin_positive"), "margin_positive: must be a number"),
    "a list as a margin": (put([0.9], "margin_positive"), "margin_positive: must be a number"),
    "NaN as a margin": (both("margin_positive", NAN), "config.margin_positive: must be "),
    "infinity as a weight": (both("weight_positive", float("inf")), "config.weight_positive: must"),
    "a margin beyond cosines": (both("margin_positive", 3), "config.margin_positive: must be 1 or"),
    "margins in reverse": (both("margin_positive", 0.1), "config: margin_positive (0.1) must be"),
    "another margin": (put(0.7, "margin_positive"), "margin_positive is 0.7 but config.margin_po"),
    "an unknown loss": (both("loss", "smooth"), "config.loss: "),
    "half a batch": (both("batch_size", 25), "config: batch_size (25) must be a multiple"),
    "no classes": (put(0, "data", "train_classes"), "data.train_classes: must be 1 or more"),
    "a threshold of NaN": (
        put(NAN, "operating_point", "distance"),
        "operating_point.distance: mus",
    ),
    "a metric of words": (put("good", "metrics", "opis"), "metrics.opis: must be a number"),
    "a control of nothing": (put({}, "control"), "control.trial: is missing"),
    "an end of a number": (put("", "epoch"), "epoch: must be a whole number, not ''"),
}


def message(load: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_file(tmp_path: Path, kind: str) -> None:
    change, said = CHANGES[kind]
    raw = yaml.safe_load(TEXT)
    change(raw)
    path = tmp_path / "margins.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert message(load_tuned_margins, path).startswith(said)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- 1",
        b"\x80\x04K\x01.",
        b"format: !!python/object/apply:os.getcwd []",
        b"format: &a [*a]",
        b"format: 2\nformat: 2",
        b"[" * 500,
        TEXT[:300].encode() + b"\xff",
    ],
)
def test_no_margins(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "margins.yaml"
    path.write_bytes(content)
    assert "must be a mapping" in (said := message(load_tuned_margins, path)) or said == (
        "is not a YAML file of tuned margins"
    )


def write(content: Any, path: Path) -> None:
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no file of kept weights"),
        (b"PK\x03\x04", "is no file of kept weights"),
        (pickle.dumps(print), "is no file of kept weights"),
        ([1], "is no file of kept weights"),
        ({"format": 1, "embedder": os.getcwd}, "is no file of kept weights"),
        ({"format": 7, "embedder": {}}, "is of format 7, and this version reads format 1 only"),
        ({"format": 1, "embedder": {}}, "config: is missing"),
    ],
)
def test_no_kept_weights(tmp_path: Path, content: Any, said: str) -> None:
    write(content, tmp_path / "kept.pt")
    assert message(load_embedder, tmp_path / "kept.pt") == said
