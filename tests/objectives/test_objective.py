import dataclasses
import json

import pytest

from objectives import (
    DEFAULT_OBJECTIVES,
    OBJECTIVES,
    InputError,
    Objective,
    get_objective,
    objective_pair,
)
from objectives.score import Score


def test_every_objective_is_a_metric_of_the_score() -> None:
    fields = {field.name for field in dataclasses.fields(Score)}
    assert set(OBJECTIVES) <= fields
    assert set(DEFAULT_OBJECTIVES) <= set(OBJECTIVES)
    assert len(DEFAULT_OBJECTIVES) == 2


@pytest.mark.parametrize(
    ("name", "direction", "sign", "reference"),
    [
        ("recall_at_1", "maximize", -1, 0),
        ("map_at_r", "maximize", -1, 0),
        ("opis", "minimize", 1, 0.25),
        ("opis_10", "minimize", 1, 1),
    ],
)
def test_directions(name: str, direction: str, sign: float, reference: float) -> None:
    objective = get_objective(name)
    assert (objective.name, objective.direction) == (name, direction)
    assert (objective.sign, objective.reference) == (sign, reference)


def test_names_labels_and_aspects_are_distinct() -> None:
    for attribute in ("name", "label", "aspect"):
        assert len({getattr(record, attribute) for record in OBJECTIVES.values()}) == 4


def test_unknown_name_is_refused_and_the_known_are_listed() -> None:
    with pytest.raises(InputError, match=r"'recal'.*recall_at_1, map_at_r, opis, opis_10"):
        get_objective("recal")


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        OBJECTIVES["mine"] = OBJECTIVES["opis"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        OBJECTIVES["opis"].reference = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=lambda objective: objective.name)
def test_an_objective_outlives_json(objective: Objective) -> None:
    text = json.dumps(dataclasses.asdict(objective))
    assert Objective(**json.loads(text)) == objective


def test_other_objectives_can_be_brought() -> None:
    speed = Objective(
        name="speed", direction="maximize", label="Speed", aspect="speed", ideal=1.0, reference=0.0
    )
    mine = {"speed": speed, "opis": OBJECTIVES["opis"]}
    assert get_objective("speed", among=mine) is speed
    first, second = objective_pair(["opis", "speed"], {"speed": 0.25}, among=mine)
    assert first == OBJECTIVES["opis"]
    assert second == dataclasses.replace(speed, reference=0.25)
    with pytest.raises(InputError, match=r"^objectives: 'recall_at_1' is not one of speed, opis$"):
        get_objective("recall_at_1", among=mine)
