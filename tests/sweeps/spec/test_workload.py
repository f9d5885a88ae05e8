import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from objectives import OBJECTIVES, InputError, get_objective
from sweeps.spec import (
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
        ({"trial": {"epochs": 3}}, "trial.epochs: unknown key; there is trade, "),
        ({"space": {"trade": {"low": 0, "high": 2}}}, "space.trade: must be 1 or less, not 2"),
        ({"workload": "other"}, "workload: 'other' is not one of metric_learning, simulated"),
    ],
)
def test_what_a_spec_of_another_workload_refuses(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    import yaml

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
    run = made.kind.start(config, made.kind.open_data(None), None, Resources())
    first = run.advance()
    state = pickle.dumps(run.state_dict())
    second = run.advance()
    assert (first.epoch, second.epoch, first.split) == (1, 2, "validation")
    again = made.kind.start(config, Data(), None, Resources())
    again.load_state_dict(pickle.loads(state))
    assert again.advance() == second
