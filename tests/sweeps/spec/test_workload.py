import math
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, FilePath

from objectives import OBJECTIVES, InputError, get_objective
from sweeps.spec import (
    Cache,
    Choices,
    ControlRule,
    Data,
    Range,
    Resources,
    SearchSpace,
    SpaceRules,
    SweepSpec,
    Workload,
    load_spec,
    load_workload,
)
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun
from sweeps.spec.simulated import workload as simulated

ROOT = Path(__file__).parents[3]
OWN = "examples.own_workload:workload"


class Config(BaseModel):
    weight: float = 1.0
    seed: int = 0


def make(**changes: Any) -> Workload:
    fields: dict[str, Any] = {
        "config": Config,
        "objectives": OBJECTIVES,
        "last_epoch": lambda _: 1,
        "start": lambda *_: SimulatedRun(SimulatedConfig()),
    }
    return Workload(**fields | changes)


def spec(**changes: Any) -> SweepSpec:
    raw: dict[str, Any] = {
        "name": "a",
        "workload": "simulated",
        "space": {"trade": {"low": 0, "high": 1}},
        "budget": {"trials": 3},
    }
    return SweepSpec.model_validate(raw | changes)


def test_built_in_workloads_have_names() -> None:
    assert load_workload("simulated") is simulated
    assert load_workload("metric_learning").default_objectives == ("recall_at_1", "opis")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("simulate", "workload: 'simulate' is not one of metric_learning, simulated, nor a "),
        ("no_such_package.a:workload", "workload: 'no_such_package.a:workload': there is no mod"),
        ("examples.own_workload:work", "workload: 'examples.own_workload:work': the module "),
        ("examples.own_workload:Config", "workload: 'examples.own_workload:Config' is no "),
    ],
)
def test_what_is_no_workload(reference: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    with pytest.raises(InputError) as raised:
        load_workload(reference)
    assert str(raised.value).startswith(said)
    assert raised.value.fields == ("workload",)


def test_what_makes_no_workload() -> None:
    class Needy(BaseModel):
        weight: float
        seed: int = 0

    class Seedless(BaseModel):
        weight: float = 1.0

    with pytest.raises(ValueError, match=r"needs a default; \['weight'\] has none"):
        make(config=Needy)
    with pytest.raises(ValueError, match="a field 'seed'"):
        make(config=Seedless)
    with pytest.raises(ValueError, match="two objectives or more"):
        make(objectives={"opis": get_objective("opis")})


def test_the_first_two_objectives_are_the_default() -> None:
    assert make().objective_pair == tuple(OBJECTIVES)[:2]
    assert make(default_objectives=("opis", "map_at_r")).objective_pair == ("opis", "map_at_r")


def test_without_a_rule_there_is_no_control_and_no_order() -> None:
    space = SearchSpace({"weight": Range(low=0, high=1)}, {}, config=Config, rules=SpaceRules())
    assert space.controls() == []
    assert not space.is_control(Config(weight=0))


def test_one_control_where_none_is_for_each_kind() -> None:
    rules = SpaceRules(control=ControlRule(off={"weight": 0.0}))
    space = SearchSpace({"weight": Range(low=0, high=1)}, {}, config=Config, rules=rules)
    [(sampled, config)] = space.controls()
    assert (sampled, config) == ({}, Config(weight=0.0))
    assert space.is_control(config)
    assert not space.is_control(Config())


# A spec of another kind of trial


def test_a_spec_has_the_objectives_and_sections_of_its_workload() -> None:
    made = spec()
    assert made.objectives == ("accuracy", "inconsistency")
    assert (made.data, made.scoring) == (None, None)
    assert [objective.name for objective in made.objective_records()] == list(made.objectives)
    assert SweepSpec.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"name": "digits"}}, "data: this workload takes none"),
        ({"scoring": {"far_min": 0.1}}, "scoring: this workload takes none"),
        ({"objectives": ["accuracy", "opis"]}, "objectives: 'opis' is not one of accuracy, inc"),
        ({"space": {"loss": ["a"]}}, "space.loss: unknown key; there is trade, detour, "),
        ({"trial": {"epochs": 3}}, "trial.epochs: unknown key; near: epoch_noise, last_epoch"),
        ({"space": {"trade": {"low": 0, "high": 2}}}, "space.trade: must be 1 or less, not 2"),
        ({"workload": "other"}, "workload: 'other' is not one of metric_learning, simulated"),
    ],
)
def test_what_a_spec_of_another_workload_refuses(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.yaml"
    raw = spec().model_dump(mode="json", exclude_defaults=True) | changes
    file.write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError) as raised:
        load_spec(file)
    assert str(raised.value).startswith(f"{file}: {said}")


def test_a_workload_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    made = load_spec(ROOT / "examples" / "own_workload.yaml")
    assert (made.workload, made.objectives) == (OWN, ("recall_at_1", "opis"))
    config = made.search_space().controls()[0][1]
    run = made.kind.start(
        config, made.kind.open_data(None, Cache(folder=Path("cache"))), None, Resources()
    )
    first = run.advance()
    state = pickle.dumps(run.state_dict())
    second = run.advance()
    assert (first.epoch, second.epoch, first.split) == (1, 2, "validation")
    again = made.kind.start(config, Data(), None, Resources())
    again.load_state_dict(pickle.loads(state))
    assert again.advance() == second


def test_what_a_workload_may_not_say() -> None:
    opis = get_objective("opis")
    pair = {"opis": opis, "map_at_r": get_objective("map_at_r")}
    for changes, said in (
        ({"default_objectives": ("opis", "map_at_r", "opis_10")}, "must be two of"),
        ({"default_objectives": ("opis", "accuracy")}, "must be two of"),
        ({"rules": SpaceRules(control=ControlRule(off={"wait": 0.0}))}, r"\['wait'\]"),
        ({"rules": SpaceRules(ordered=(("weight", "other"),))}, r"\['other'\]"),
        ({"rules": SpaceRules(together=("weight", "third"))}, r"\['third'\]"),
        ({"objectives": {**pair, "opis": replace(opis, reference=math.inf)}}, "a finite ideal"),
        ({"objectives": {"a": opis, **pair}}, "'opis' stands under 'a'"),
    ):
        with pytest.raises(ValueError, match=said):
            make(**changes)
    with pytest.raises(ValueError, match="a field stands in two pairs"):
        SpaceRules(ordered=(("a", "b"), ("b", "c")))


def test_a_kind_with_controls_is_a_list() -> None:
    rules = SpaceRules(control=ControlRule(off={"weight": 0.0}, each="seed"))
    with pytest.raises(InputError, match=r"^space\.seed: takes no range; list its choices$"):
        SearchSpace({"seed": Range(low=1, high=5)}, {}, config=Config, rules=rules)
    space = SearchSpace({"seed": Choices(choices=(1, 5))}, {}, config=Config, rules=rules)
    assert [config for _, config in space.controls()] == [
        Config(weight=0, seed=1),
        Config(weight=0, seed=5),
    ]


# Sections of one's own


class Inner(BaseModel):
    more: list[Path] = []


class Section(BaseModel):
    root: FilePath
    label: str = "a/b"
    default: Path = Path("left/alone")
    inner: Inner = Inner()


@dataclass(frozen=True)
class Judging:
    weights: Path | None = None


def test_paths_of_own_sections_begin_at_the_specs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(simulated, data=Section, scoring=Judging)
    (tmp_path / "there").touch()
    raw = spec().model_dump(mode="json", exclude={"data", "scoring"})
    monkeypatch.setattr("sweeps.spec.spec.load_workload", lambda _: mine)
    raw |= {"data": {"root": "there", "inner": {"more": ["x", "/y"]}}}
    raw |= {"scoring": {"weights": "w.pt"}}
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(raw))
    loaded = load_spec(file)
    assert loaded.data == Section(
        root=tmp_path / "there", inner=Inner(more=[tmp_path / "x", Path("/y")])
    )
    assert loaded.scoring == Judging(weights=tmp_path / "w.pt")
