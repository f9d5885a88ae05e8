from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives import InputError
from sweeps.spec import Choices, Range, SweepSpec, load_spec, rename

ROOT = Path(__file__).parents[3]
BASE: dict[str, Any] = {
    "name": "demo",
    "data": {"name": "digits"},
    "space": {"margin_positive": {"low": 0.6, "high": 0.9}},
    "budget": {"trials": 3},
}


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


def load(folder: Path, changes: dict[str, Any]) -> SweepSpec:
    raw = {key: value for key, value in (BASE | changes).items() if value != "LEFT OUT"}
    return load_spec(write(folder, yaml.safe_dump(raw)))


def test_defaults(tmp_path: Path) -> None:
    spec = load(tmp_path, {})
    assert spec.objectives == ("recall_at_1", "opis")
    assert [objective.name for objective in spec.objective_records()] == ["recall_at_1", "opis"]
    assert spec.space == {"margin_positive": Range(low=0.6, high=0.9)}
    assert (spec.sampler, spec.seed, spec.trial) == ("tpe", 0, {})
    assert (spec.resources.cpu, spec.resources.gpu, spec.budget.max_concurrent) == (1, 0, None)
    assert spec.scoring.far_max == 0.1


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_examples_load(path: Path) -> None:
    spec = load_spec(path)
    assert spec.search_space().controls()


def test_it_survives_its_own_dump(tmp_path: Path) -> None:
    spec = load(tmp_path, {"space": {"loss": ["triplet_margin"], **BASE["space"]}})
    assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert spec.space["loss"] == Choices(choices=("triplet_margin",))


def test_numbers_as_yaml_1_1_reads_them(tmp_path: Path) -> None:
    text = """
name: demo
data: {name: digits}
space:
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
  weight_decay: [1e-4, 1e-3]
trial: {batch_size: "64"}
budget: {trials: 3}
"""
    space = load_spec(write(tmp_path, text)).search_space()
    assert space.values("weight_decay") == (1e-4, 1e-3)
    assert space.values("batch_size") == (64,)


@pytest.mark.parametrize("key", ["folder", "table", "root"])
def test_data_paths_start_at_the_spec(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    given = {"images": tmp_path / "images", "../images": tmp_path / "../images"}
    given |= {"/data/images": Path("/data/images"), "~/images": Path("/home/someone/images")}
    name = {"name": "cub"} if key == "root" else {}
    for text, path in given.items():
        assert getattr(load(tmp_path, {"data": {key: text} | name}).data, key) == path


def test_rename(tmp_path: Path) -> None:
    spec = load(tmp_path, {"space": {"loss": ["arcface"]}, "data": {"folder": "images"}})
    renamed = rename(spec, "other.2")
    assert renamed.name == "other.2"
    assert renamed.model_copy(update={"name": "demo"}) == spec
    with pytest.raises(InputError, match=r"^name: name: 'a/b' must begin with a letter or digit"):
        rename(spec, "a/b")


# What a newcomer gets wrong, and all that they are told, after the file's name.
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("unknown section", {"sapce": {}}, "sapce: unknown key"),
    ("misspelt and so missing", {"budget": "LEFT OUT", "bugdet": {}}, "bugdet: unknown key"),
    ("missing", {"budget": "LEFT OUT"}, "budget: is missing"),
    ("nothing sampled", {"space": {}}, "space: there is nothing to sample"),
    ("a list for a section", {"space": ["loss"]}, "space: must be a mapping, not ['loss']"),
    ("an empty section", {"space": None}, "space: must be a mapping, not None"),
    ("trial is a list", {"trial": ["a"]}, "trial: must be a mapping, not ['a']"),
    ("a number for a key", {"trial": {5: 3}}, "trial.5: must be a text, not 5"),
    (
        "name with a space",
        {"name": "a b"},
        "name: 'a b' must begin with a letter or digit, and be up to 64 letters, digits, dots, "
        "underscores and hyphens",
    ),
    ("name is a path", {"name": "../x"}, "name: '../x' must begin with "),
    ("name ends a line", {"name": "demo\n"}, "name: 'demo\\n' must begin with "),
    ("name is a number", {"name": 5}, "name: must be a text, not 5"),
    ("no data", {"data": {}}, "data: exactly one of name, folder and table must be set, not none"),
    (
        "two data",
        {"data": {"name": "digits", "folder": "x"}},
        "data: exactly one of name, folder and table must be set, not name and folder",
    ),
    (
        "unknown data",
        {"data": {"name": "birds"}},
        "data.name: must be 'glyphs', 'digits', 'cub', 'cars', 'sop', 'inaturalist' or 'in_shop', "
        "not 'birds'",
    ),
    (
        "an official set without its folder",
        {"data": {"name": "cub"}},
        "data: cub needs root, the folder that it was unpacked to",
    ),
    ("data is a text", {"data": "digits"}, "data: must be a mapping, not 'digits'"),
    ("data key", {"data": {"nmae": "digits"}}, "data.nmae: unknown key"),
    ("folder is a number", {"data": {"folder": 5}}, "data.folder: must be a path, not 5"),
    (
        "small images",
        {"data": {"name": "digits", "image_size": 2}},
        "data.image_size: must be 8 or more, not 2",
    ),
    (
        "split",
        {"data": {"name": "digits", "split": {"train": 0.9}}},
        "data.split: train + validation + test must be 1, not 1.4",
    ),
    ("one objective", {"objectives": ["opis"]}, "objectives.1: is missing"),
    ("three objectives", {"objectives": ["opis"] * 3}, "objectives: must be a list of 2, not "),
    ("same objective", {"objectives": ["opis"] * 2}, "objectives: 'opis' is named twice"),
    (
        "unknown objective",
        {"objectives": ["opis", "f1"]},
        "objectives: 'f1' is not one of recall_at_1, map_at_r, opis, opis_10",
    ),
    ("objectives is a text", {"objectives": "opis"}, "objectives: must be a list, not 'opis'"),
    (
        "unknown field",
        {"space": {"margin_postive": [0.6, 0.7]}},
        "space.margin_postive: unknown key; near: margin_positive, ",
    ),
    ("unknown fixed", {"trial": {"epoch": 3}}, "trial.epoch: unknown key; near: epochs, "),
    (
        "sampled and fixed",
        {"trial": {"margin_positive": 0.9}},
        "space.margin_positive: also fixed under 'trial'; keep one of the two",
    ),
    (
        "a single value",
        {"space": {"loss": "arcface"}},
        "space.loss: 'arcface' is a single value; what is fixed belongs under 'trial'",
    ),
    (
        "inverted range",
        {"space": {"margin_positive": {"low": 0.9, "high": 0.6}}},
        "space.margin_positive: low (0.9) must be less than high (0.6)",
    ),
    (
        "inverted margins",
        {"space": {"margin_positive": {"low": 0.1, "high": 0.3}}},
        "margin_positive: must be greater than margin_negative by 0.01 or more, but it is at most "
        "0.3, and margin_negative at least 0.5",
    ),
    (
        "range key",
        {"space": {"learning_rate": {"low": 0.1, "hihg": 1}}},
        "space.learning_rate.hihg: unknown key",
    ),
    (
        "range end",
        {"space": {"learning_rate": {"low": "a", "high": 1}}},
        "space.learning_rate.low: must be a number, not 'a'",
    ),
    (
        "nested choices",
        {"space": {"loss": [["arcface"]]}},
        "space.loss: must be numbers, texts, true or false, not ['arcface']",
    ),
    ("unknown loss", {"space": {"loss": ["ap"]}}, "space.loss: 'ap' is not one of smooth_ap, "),
    (
        "condition",
        {"space": {"triplet_margin": {"low": 0, "high": 1, "when": {"loss": "arcface"}}}},
        "space.triplet_margin.when: 'loss' must be in the space as a list of choices without "
        "conditions",
    ),
    (
        "batch size",
        {"trial": {"batch_size": 30}},
        "batch_size: 30 is not a multiple of samples_per_class (4); every combination in the space "
        "must be",
    ),
    (
        "two sources of weights",
        {"trial": {"pretrained": True, "weights": "/a.pt"}},
        "pretrained and weights are both set; weights takes the place of pretrained",
    ),
    (
        "two sources of weights in some trial",
        {"trial": {"weights": "/a.pt"}, "space": {"pretrained": [False, True]}},
        "pretrained and weights are both set; weights takes the place of pretrained",
    ),
    (
        "nothing to freeze in some trial",
        {"space": {"trunk": ["trained", "frozen"]}},
        "trunk: a frozen trunk needs weights; set pretrained or weights",
    ),
    (
        "views of a trained trunk in some trial",
        {"trial": {"pretrained": True}, "space": {"trunk": ["trained", "frozen"], "views": [1, 4]}},
        "views: 4 views are kept of a frozen trunk only; set trunk: frozen",
    ),
    (
        "steps",
        {"trial": {"epochs": 20}, "space": {"steps": [10, 100]}},
        "steps: 10 is fewer than epochs (20); an epoch needs a step",
    ),
    ("schedule", {"space": {"schedule": ["cosine", "step"]}}, "schedule: step needs step_epochs"),
    (
        "a trunk that is never trained",
        {"trial": {"head_warmup_epochs": 5}, "space": {"epochs": [5, 9]}},
        "head_warmup_epochs: 5 must be fewer than epochs (5), or the trunk is never trained; "
        "trunk: frozen says so",
    ),
    ("weights is a number", {"trial": {"weights": 5}}, "trial.weights: must be a path, not 5"),
    (
        "type",
        {"trial": {"learning_rate": "fast"}},
        "trial.learning_rate: must be a number, not 'fast'",
    ),
    ("sign", {"trial": {"learning_rate": -1}}, "trial.learning_rate: must be more than 0, not -1"),
    ("no trials", {"budget": {"trials": 0}}, "budget.trials: must be 1 or more, not 0"),
    ("half", {"budget": {"trials": 2.5}}, "budget.trials: must be a whole number, not 2.5"),
    ("budget is a number", {"budget": 20}, "budget: must be a mapping, not 20"),
    ("budget key", {"budget": {"trials": 2, "hours": 3}}, "budget.hours: unknown key"),
    ("no CPU", {"resources": {"cpu": 0}}, "resources.cpu: must be 1 or more, not 0"),
    (
        "sampler",
        {"sampler": "cmaes"},
        "sampler: must be 'tpe', 'nsgaii' or 'random', not 'cmaes'",
    ),
    ("seed", {"seed": -1}, "seed: must be 0 or more, not -1"),
    ("large seed", {"seed": 2**32}, "seed: must be less than 4294967296, not 4294967296"),
    (
        "calibration",
        {"scoring": {"far_min": 0.5}},
        "scoring: far_min (0.5) and far_max (0.1) must satisfy 0 < far_min < far_max < 1",
    ),
    ("calibration key", {"scoring": {"farmin": 0.1}}, "scoring.farmin: unknown key"),
    (
        "calibration mean",
        {"scoring": {"mean": "median"}},
        "scoring.mean: must be 'classes' or 'pooled', not 'median'",
    ),
]


@pytest.mark.parametrize(
    ("changes", "said"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_one_sentence_names_the_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        load(tmp_path, changes)
    message = str(raised.value).removeprefix(f"{tmp_path / 'spec.yaml'}: ")
    assert message.startswith(said) if said.endswith(" ") else message == said
    assert "\n" not in message
    assert "nput should" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a spec is a mapping with the keys name, data, space, budget"),
        ("- a\n", "a spec is a mapping with the keys name, data, space, budget"),
        ("a: [", "is not valid YAML (line 1: expected the node content, but found "),
        ("a:\n\t- b", "is not valid YAML (line 2: found character '\\t' that cannot start "),
        ("day: 2026-13-45", "is not valid YAML (month must be in 1..12"),
        ("a: \x07", "is not valid YAML (unacceptable character"),
        ("{[a]: 1}", "is not valid YAML (line 1: "),
        ("name: a\ndata: {}\nname: b\n", "is not valid YAML (line 3: the key 'name' is there tw"),
        (
            "space:\n  loss: [arcface]\n  loss: [triplet]\n",
            "is not valid YAML (line 3: the key 'loss' is there twice)",
        ),
    ],
)
def test_what_is_no_spec(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        load_spec(path)
    assert str(raised.value).startswith(f"{path}: {said}")
    assert "\n" not in str(raised.value)


def test_merged_keys_are_no_duplicates(tmp_path: Path) -> None:
    text = yaml.safe_dump(BASE | {"budget": "LEFT OUT"}).replace("budget: LEFT OUT\n", "")
    text += "resources: &own {cpu: 2}\nbudget: {trials: 2}\n"
    text = text.replace("resources: &own {cpu: 2}", "resources: {<<: {cpu: 1}, cpu: 2}")
    assert load_spec(write(tmp_path, text)).resources.cpu == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml: cannot be read \(No such file"):
        load_spec(tmp_path / "no.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        load_spec(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match=r"binary\.yaml: is not valid YAML \("):
        load_spec(binary)


def test_paths_of_trials_start_at_the_spec(tmp_path: Path) -> None:
    assert load(tmp_path, {"trial": {"weights": "a.pt", "loss": "arcface"}}).trial == {
        "weights": str(tmp_path / "a.pt"),
        "loss": "arcface",
    }
    when = {"choices": ["a.pt", "/b.pt"], "when": {"backbone": "resnet18"}}
    choices = [str(tmp_path / "a.pt"), "/b.pt"]
    for parameter in (["a.pt", "/b.pt"], when):
        space = {"weights": parameter, "backbone": ["resnet18", "test_vit"]}
        spec = load(tmp_path, {"space": space})
        assert list(spec.space["weights"].ends) == choices
        assert list(spec.search_space().values("weights"))[:2] == choices
        assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec
