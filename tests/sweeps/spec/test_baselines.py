import json
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.spec import (
    Baseline,
    Choices,
    Range,
    SearchSpace,
    SweepSpec,
    Workload,
    planned_baselines,
)
from sweeps.spec.simulated import workload as simulated

BASELINES = {
    "raw": Baseline(label="raw", score=lambda *_: {}),
    "trunk": Baseline(label="trunk", score=lambda *_: {}, fields=("last_epoch", "seed")),
}


def space(**parameters: Choices | Range) -> SearchSpace:
    model = simulated.config
    return SearchSpace(parameters, {"wait": 0.5}, config=model, rules=simulated.rules)


def test_one_for_each_combination_of_the_fields_that_it_depends_on() -> None:
    sampled = space(
        last_epoch=Choices(choices=(2, 4)),
        seed=Choices(choices=(7,)),
        trade=Range(low=0.25, high=1),
    )
    found = planned_baselines(BASELINES, sampled)
    assert [(each.number, each.kind, each.name, each.label) for each in found] == [
        (0, "raw", "raw", "raw"),
        (1, "trunk", "trunk", "trunk (last_epoch=2)"),
        (2, "trunk", "trunk_2", "trunk (last_epoch=4)"),
    ]
    assert [dict(each.fields) for each in found] == [
        {},
        {"last_epoch": 2, "seed": 7},
        {"last_epoch": 4, "seed": 7},
    ]
    # All else is fixed, or at the centre, and nothing is switched off.
    for each in found[1:]:
        assert (
            each.config.model_dump()
            == simulated.config(**each.fields, wait=0.5, trade=0.5).model_dump()
        )


def test_without_variants_there_is_one_of_each() -> None:
    found = planned_baselines(BASELINES, space(trade=Range(low=0, high=1)))
    assert [(each.name, each.label) for each in found] == [("raw", "raw"), ("trunk", "trunk")]
    assert planned_baselines({}, space(trade=Range(low=0, high=1))) == ()


def test_a_conditional_field_has_the_value_of_elsewhere_too() -> None:
    seeds = Choices(choices=(1, 2), when={"last_epoch": (2,)})
    for epochs, expected in (((1, 2), [0, 1, 2]), ((2,), [1, 2])):
        found = space(last_epoch=Choices(choices=epochs), seed=seeds).variants(["seed"])
        assert sorted(values["seed"] for values, _ in found) == expected


def test_a_baseline_depends_on_fields_that_there_are() -> None:
    odd = Baseline(label="odd", score=lambda *_: {}, fields=("width",))
    with pytest.raises(ValueError, match=r"the baselines name \['width'\], which a config"):
        replace(simulated, baselines={"odd": odd})
    assert isinstance(replace(simulated, baselines=BASELINES), Workload)


def test_fields_are_plain_data_whatever_their_type(tmp_path: Path) -> None:
    spec = SweepSpec.model_validate(
        {
            "name": "a",
            "data": {"name": "digits"},
            "trial": {"weights": tmp_path / "trunk.pt"},
            "space": {"margin_positive": {"low": 0.6, "high": 0.9}},
            "budget": {"trials": 1},
        }
    )
    found = planned_baselines(spec.kind.baselines, spec.search_space())
    (trunk,) = [each for each in found if each.kind == "untouched_trunk"]
    assert trunk.fields["weights"] == str(tmp_path / "trunk.pt")
    assert json.loads(json.dumps(dict(trunk.fields))) == trunk.fields
