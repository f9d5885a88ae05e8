from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sweeps.spec import Choices, Parameter, Range
from trainer import one_sentence

PARAMETER: TypeAdapter[Choices | Range] = TypeAdapter(Parameter)


@pytest.mark.parametrize(
    ("raw", "parameter"),
    [
        ([1, 2], Choices(choices=(1, 2))),
        (["a"], Choices(choices=("a",))),
        ([True, False], Choices(choices=(True, False))),
        ({"choices": [0.5]}, Choices(choices=(0.5,))),
        ({"low": 1, "high": 2}, Range(low=1, high=2)),
        ({"low": 1, "high": 8, "log": True}, Range(low=1, high=8, log=True)),
        ({"low": 0.1, "high": 0.7, "step": 0.2}, Range(low=0.1, high=0.7, step=0.2)),
        # YAML 1.1 reads a number without a dot and with an exponent as a text.
        ({"low": "1e-4", "high": "1e-2"}, Range(low=1e-4, high=1e-2)),
        (
            {"low": 1, "high": 2, "when": {"loss": "triplet"}},
            Range(low=1, high=2, when={"loss": ("triplet",)}),
        ),
        (
            {"choices": [1], "when": {"loss": ["a", "b"]}},
            Choices(choices=(1,), when={"loss": ("a", "b")}),
        ),
    ],
)
def test_what_yaml_gives(raw: Any, parameter: Choices | Range) -> None:
    assert PARAMETER.validate_python(raw) == parameter
    assert PARAMETER.validate_python(parameter) == parameter
    assert PARAMETER.validate_python(parameter.model_dump()) == parameter


def test_ends_are_what_a_parameter_reaches() -> None:
    assert Choices(choices=(3, 1)).ends == (3, 1)
    assert Range(low=1, high=2).ends == (1, 2)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (0.9, "0.9 is a single value; what is fixed belongs under 'trial'"),
        ("triplet", "'triplet' is a single value; what is fixed belongs under 'trial'"),
        (None, "must be a mapping, not None"),
        ([], "choices [] must be one or more, and distinct"),
        ([1, 1], "choices [1, 1] must be one or more, and distinct"),
        ({"low": 2, "high": 1}, "low (2) must be less than high (1)"),
        ({"low": 1, "high": 1}, "low (1) must be less than high (1)"),
        ({"low": float("nan"), "high": 1}, "low: must be finite, not nan"),
        ({"low": -1e308, "high": 1e308}, "low (-1e+308) and high (1e+308) are too far apart"),
        ({"low": 0, "high": 1, "log": True}, "a log range needs low > 0, not 0"),
        (
            {"low": 1, "high": 2, "log": True, "step": 1},
            "a log range takes no step (here 1)",
        ),
        (
            {"low": 0, "high": 1, "step": 0.4},
            "step (0.4) must be positive and lead from low (0) to high (1)",
        ),
        (
            {"low": 0, "high": 1, "step": -0.5},
            "step (-0.5) must be positive and lead from low (0) to high (1)",
        ),
        (
            {"low": 0, "high": 1, "step": float("inf")},
            "step: must be finite, not inf",
        ),
        (
            {"low": 0, "high": 1, "step": 1e-300},
            "step (1e-300) must be positive and lead from low (0) to high (1)",
        ),
        ({"low": 0}, "high: is missing"),
        ({"low": 0, "hihg": 1}, "hihg: unknown key"),
        ({"low": 0, "high": 1, "lgo": True}, "lgo: unknown key"),
        ({"low": "a", "high": 1}, "low: must be a number, not 'a'"),
        ({"low": 0, "high": 1, "when": "loss"}, "when: must be a mapping, not 'loss'"),
    ],
)
def test_what_is_refused(raw: Any, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        PARAMETER.validate_python(raw)
    assert one_sentence(raised.value) == said
