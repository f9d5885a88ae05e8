from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from objectives import InputError
from sweeps.spec import SweepSpec, load_spec, load_workload
from trainer import RECIPES

BASE: dict[str, Any] = {
    "name": "demo",
    "data": {"name": "glyphs"},
    "recipe": "recall_at_k",
    "space": {"margin_positive": {"low": 0.6, "high": 0.9}},
    "budget": {"trials": 3},
}


def load(folder: Path, **changes: Any) -> SweepSpec:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(BASE | changes))
    return load_spec(path)


def refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as raised:
        load(folder, **changes)
    assert "\n" not in str(raised.value)
    return str(raised.value).removeprefix(f"{folder / 'spec.yaml'}: ")


def test_a_recipe_fills_in_what_is_not_said(tmp_path: Path) -> None:
    spec = load(tmp_path)
    assert spec.trial == RECIPES["recall_at_k"].fields(data_set="glyphs", backbone=None)
    assert spec.trial["pooling"] == "gem"
    _, config = spec.search_space().controls()[0]
    for name, value in spec.trial.items():
        assert config.model_dump(mode="json")[name] == value


def test_a_users_field_wins_fixed_or_sampled(tmp_path: Path) -> None:
    fixed = {"learning_rate": "3e-3", "epochs": 2, "pooling": "default"}
    sampled = {"loss": ["recall_at_k", "contrastive"], "weight_decay": [0.1, 0.2]}
    spec = load(tmp_path, trial=fixed, space=BASE["space"] | sampled)
    assert {name: spec.trial[name] for name in fixed} == fixed
    assert not {*sampled} & {*spec.trial}
    assert spec.trial["head_layer_norm"]


def test_what_is_stored_is_what_is_trained(tmp_path: Path) -> None:
    for recipe in RECIPES:
        for trial in ({}, {"backbone": "vit_base_patch16_224"}, {"samples_per_class": 3}):
            spec = load(tmp_path, recipe=recipe, trial=trial)
            stored = spec.model_dump(mode="json")
            assert stored["recipe"] == recipe
            assert SweepSpec.model_validate(stored) == spec


def test_the_kind_of_the_backbone_decides(tmp_path: Path) -> None:
    vit = load(tmp_path, trial={"backbone": "vit_base_patch16_224"}).trial
    assert (vit["pooling"], vit["optimizer"], vit["learning_rate"]) == ("default", "adamw", 1e-5)
    kind = {"backbone": ["vit_base_patch16_224", "vit_small_patch16_224"]}
    sampled = load(tmp_path, space=BASE["space"] | kind).trial
    assert sampled["pooling"] == "default"
    assert "backbone" not in sampled
    mixed = {"backbone": ["vit_base_patch16_224", "resnet50"]}
    assert refusal(tmp_path, space=BASE["space"] | mixed) == (
        "trial: a recipe differs between the kinds of backbone that are sampled "
        "(vit_base_patch16_224, resnet50)"
    )


def test_weights_of_ones_own_take_the_place_of_timms(tmp_path: Path) -> None:
    trial = load(tmp_path, trial={"weights": "trunk.pt"}).trial
    assert trial["weights"] == str(tmp_path / "trunk.pt")
    assert "pretrained" not in trial
    assert load(tmp_path, trial={"weights": None}).trial["pretrained"]


def test_batches_follow_the_samples_of_a_class(tmp_path: Path) -> None:
    assert load(tmp_path, trial={"samples_per_class": 3}).trial["batch_size"] == 399
    own = {"samples_per_class": 3, "batch_size": 30}
    assert load(tmp_path, trial=own).trial["batch_size"] == 30


@pytest.mark.parametrize(
    ("name", "share", "batch_size"),
    [("cub", None, 300), ("cub", 0.1, 360), ("cars", 0.25, 292), ("sop", None, 4000)],
)
def test_a_batch_holds_no_more_classes_than_validation_leaves(
    name: str, share: float | None, batch_size: int
) -> None:
    recipe = load_workload("metric_learning").recipes["recall_at_k"]
    data = SimpleNamespace(name=name, validation_share=share)
    assert recipe(data, {}, {})["batch_size"] == batch_size


def test_without_a_recipe_nothing_is_filled_in(tmp_path: Path) -> None:
    spec = load(tmp_path, recipe=None, trial={"epochs": 3})
    assert (spec.recipe, spec.trial) == (None, {"epochs": 3})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"recipe": "recall@k"},
            "recipe: there is no recipe 'recall@k'; there is smooth_ap, recall_at_k, proxy_anchor, "
            "hyp_vit",
        ),
        ({"recipe": 3}, "recipe: must be a text, not 3"),
        ({"data": {"folder": 3}}, "data.folder: must be a path, not 3"),
        ({"trial": ["a"]}, "trial: must be a mapping, not ['a']"),
        ({"trial": {"samples_per_class": 0}}, "trial.samples_per_class: must be 2 or more, not 0"),
    ],
)
def test_one_sentence(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, **changes) == said


def test_a_workload_without_recipes() -> None:
    raw = BASE | {"workload": "simulated", "space": {"trade": [0.1, 0.2]}, "data": None}
    with pytest.raises(ValueError, match="this workload has none"):
        SweepSpec.model_validate(raw)
    assert SweepSpec.model_validate(raw | {"recipe": None}).recipe is None
