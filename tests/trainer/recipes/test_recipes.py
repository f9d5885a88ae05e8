"""The recipes against the figures of the papers' own repositories, typed in by hand."""

from itertools import product
from typing import Any

import pytest
import timm

from trainer import RECIPES, TrialConfig, fit_batch, kind_of
from trainer.recipes import Recipe

DATA_SETS = ("cub", "cars", "sop", "inaturalist", "in_shop", "")
BACKBONES = {
    "resnet": "resnet50.tv_in1k",
    "vit": "vit_base_patch16_224.augreg_in21k",
}

# Recipe, data set, kind of backbone, and what is published for these.
PUBLISHED: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "smooth_ap",
        "inaturalist",
        "resnet",
        {"batch_size": 384, "samples_per_class": 4, "embedding_dim": 512, "optimizer": "adam"}
        | {"learning_rate": 1e-5, "weight_decay": 4e-4, "epochs": 90, "step_epochs": [40, 70]}
        | {"step_factor": 0.3, "smooth_ap_temperature": 0.01, "freeze_batch_norm": True},
    ),
    ("smooth_ap", "", "resnet", {"epochs": 400, "step_epochs": [200, 300], "batch_size": 384}),
    (
        "recall_at_k",
        "sop",
        "resnet",
        {"batch_size": 4000, "micro_batch_size": 200, "learning_rate": 2e-4, "optimizer": "adam"}
        | {"epochs": 55, "step_epochs": [25, 50], "step_factor": 0.3, "weight_decay": 4e-4}
        | {"embedding_dim": 512, "pooling": "gem", "head_layer_norm": True}
        | {"samples_per_class": 4, "recall_at_k_temperature": 0.01, "freeze_batch_norm": True},
    ),
    (
        "recall_at_k",
        "sop",
        "vit",
        {"batch_size": 4000, "micro_batch_size": 100, "learning_rate": 5e-5, "optimizer": "adamw"}
        | {"epochs": 55, "step_epochs": [25, 50], "pooling": "default"},
    ),
    (
        "recall_at_k",
        "inaturalist",
        "resnet",
        {"batch_size": 4000, "learning_rate": 1e-4, "epochs": 90, "step_epochs": [40, 70]},
    ),
    (
        "recall_at_k",
        "inaturalist",
        "vit",
        {"batch_size": 4000, "learning_rate": 5e-5, "epochs": 90, "step_epochs": [10, 40, 70]},
    ),
    (
        "recall_at_k",
        "cars",
        "resnet",
        {"batch_size": 392, "micro_batch_size": 98, "learning_rate": 1e-4, "epochs": 170}
        | {"step_epochs": [80, 140]},
    ),
    (
        "recall_at_k",
        "cars",
        "vit",
        {"batch_size": 392, "micro_batch_size": 98, "learning_rate": 1e-5, "epochs": 50}
        | {"step_epochs": [20, 30, 40]},
    ),
    (
        "recall_at_k",
        "cub",
        "resnet",
        {"batch_size": 400, "micro_batch_size": 100, "learning_rate": 1e-4, "epochs": 40}
        | {"step_epochs": [10, 20, 30]},
    ),
    (
        "recall_at_k",
        "cub",
        "vit",
        {"batch_size": 400, "micro_batch_size": 100, "learning_rate": 1e-5, "epochs": 40}
        | {"step_epochs": [10, 20, 30]},
    ),
    (
        "proxy_anchor",
        "cub",
        "resnet",
        {"batch_size": 120, "learning_rate": 1e-4, "optimizer": "adamw", "weight_decay": 1e-4}
        | {"proxy_learning_rate_factor": 100, "pooling": "avg_max", "freeze_batch_norm": True}
        | {"clip_value": 10, "head_warmup_epochs": 5, "epochs": 60, "step_factor": 0.5}
        | {"step_epochs": [*range(5, 60, 5)], "embedding_dim": 512}
        | {"proxy_anchor_margin": 0.1, "proxy_anchor_alpha": 32},
    ),
    (
        "proxy_anchor",
        "cars",
        "resnet",
        {"batch_size": 120, "head_warmup_epochs": 5, "step_epochs": [*range(10, 60, 10)]},
    ),
    (
        "proxy_anchor",
        "sop",
        "resnet",
        {"batch_size": 180, "learning_rate": 6e-4, "freeze_batch_norm": False}
        | {"head_warmup_epochs": 1, "step_epochs": [20, 40], "step_factor": 0.25},
    ),
    ("proxy_anchor", "in_shop", "resnet", {"learning_rate": 6e-4, "step_factor": 0.25}),
    ("proxy_anchor", "", "resnet", {"batch_size": 150, "head_warmup_epochs": 1}),
    (
        "hyp_vit",
        "cub",
        "vit",
        {"batch_size": 900, "samples_per_class": 9, "learning_rate": 3e-5, "optimizer": "adamw"}
        | {"embedding_dim": 128, "nt_xent_temperature": 0.1, "clip_norm": 3, "steps": 50}
        | {"freeze_patch_embedding": True, "weight_decay": 0.01, "crop_scale_min": 0.2}
        | {"schedule": "constant"},
    ),
    ("hyp_vit", "cars", "vit", {"batch_size": 882, "samples_per_class": 9, "steps": 300}),
    ("hyp_vit", "sop", "vit", {"batch_size": 900, "samples_per_class": 2}),
    ("hyp_vit", "in_shop", "vit", {"batch_size": 900, "samples_per_class": 2}),
    ("hyp_vit", "cub", "resnet", {"freeze_patch_embedding": False}),
]


@pytest.mark.parametrize(("name", "data_set", "kind", "published"), PUBLISHED)
def test_published_figures(name: str, data_set: str, kind: str, published: dict[str, Any]) -> None:
    fields = RECIPES[name].fields(data_set=data_set, backbone=BACKBONES[kind])
    assert {key: fields[key] for key in published} == published


@pytest.mark.parametrize(
    ("data_set", "classes", "epochs"), [("sop", 11318, 200), ("in_shop", 3997, 400)]
)
def test_the_steps_of_hyp_vit_are_those_of_its_epochs(
    data_set: str, classes: int, epochs: int
) -> None:
    fields = RECIPES["hyp_vit"].fields(data_set=data_set, backbone=None)
    # An epoch visits every class once, and drops the last batch.
    batches = classes * fields["samples_per_class"] // fields["batch_size"]
    assert fields["steps"] == epochs * batches


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_case_makes_a_configuration(recipe: Recipe) -> None:
    for data_set, backbone in product(DATA_SETS, (*BACKBONES.values(), None)):
        fields = recipe.fields(data_set=data_set, backbone=backbone)
        config = TrialConfig.model_validate(fields)
        assert not config.is_control
        assert config.model_dump(mode="json") | fields == config.model_dump(mode="json")
        assert config.augmentation == "standard"
        assert config.horizontal_flip
        assert config.warmup_epochs == 0


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_setting_says_where_it_is_from(recipe: Recipe) -> None:
    cases = {*DATA_SETS, *BACKBONES, *(f"{d} {k}" for d in DATA_SETS for k in BACKBONES)}
    assert set(recipe.published) <= {*DATA_SETS}
    assert recipe.settings["loss"].value in recipe.name or recipe.name == "hyp_vit"
    for name, setting in recipe.settings.items():
        assert setting.source, name
        assert set(setting.cases) <= cases, name


def test_recipes_by_name() -> None:
    assert list(RECIPES) == ["smooth_ap", "recall_at_k", "proxy_anchor", "hyp_vit"]
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    for recipe in RECIPES.values():
        assert timm.is_model(recipe.settings["backbone"].value)
        assert timm.get_pretrained_cfg(recipe.settings["backbone"].value).has_weights


@pytest.mark.parametrize(
    ("backbone", "kind"),
    [
        ("vit_small_patch16_224.dino", "vit"),
        ("deit3_base_patch16_224", "vit"),
        ("beitv2_base_patch16_224", "vit"),
        ("eva02_base_patch14_224", "vit"),
        ("test_vit", "vit"),
        ("test_vit2", "vit"),
        ("resnet50", "resnet"),
        ("swin_tiny_patch4_window7_224", "resnet"),
        ("vitamin_small_224", "resnet"),
        ("mobilevit_s", "resnet"),
        ("my_package.vit:build", "resnet"),
    ],
)
def test_kinds_of_backbones(backbone: str, kind: str) -> None:
    assert kind_of(backbone) == kind


@pytest.mark.parametrize(
    ("size", "samples", "classes", "fitted"),
    [
        (400, 4, None, 400),
        (400, 4, 75, 300),
        (400, 4, 5000, 400),
        (400, 3, None, 399),
        (882, 9, 73, 657),
        (900, 500, None, 1000),
        (4, 4, 1, 8),
    ],
)
def test_batches_are_cut_to_whole_classes(
    size: int, samples: int, classes: int | None, fitted: int
) -> None:
    assert fit_batch(size, samples_per_class=samples, classes=classes) == fitted
