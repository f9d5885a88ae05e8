import dataclasses

import pytest

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, InputError, get_objective
from objectives.score import Score


def test_every_objective_is_a_metric_of_the_score() -> None:
    fields = {field.name for field in dataclasses.fields(Score)}
    assert set(OBJECTIVES) <= fields
    assert set(DEFAULT_OBJECTIVES) <= set(OBJECTIVES)
    assert len(DEFAULT_OBJECTIVES) == 2


@pytest.mark.parametrize(
    ("name", "direction", "sign", "worst"),
    [
        ("recall_at_1", "maximize", -1, 0),
        ("map_at_r", "maximize", -1, 0),
        ("opis", "minimize", 1, 0.25),
        ("opis_10", "minimize", 1, 1),
    ],
)
def test_directions(name: str, direction: str, sign: float, worst: float) -> None:
    objective = get_objective(name)
    assert (objective.name, objective.direction) == (name, direction)
    assert (objective.sign, objective.worst) == (sign, worst)


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
        OBJECTIVES["opis"].worst = 1.0  # type: ignore[misc]
