from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError, model_validator

from objectives import InputError
from trainer import StrictModel, input_error, one_sentence


class Inner(StrictModel):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> "Inner":
        if self.low > self.high:
            raise InputError("low is above high", field=("low", "high"))
        return self


class Outer(StrictModel):
    inner: Inner
    name: str = ""


def fault(model: type[StrictModel], values: dict[str, Any]) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return caught.value


@pytest.mark.parametrize(
    ("model", "values", "sentence", "fields"),
    [
        (Outer, {}, "inner: is missing", ("inner",)),
        (Outer, {"iner": {}}, "iner: unknown key", ("iner",)),
        (
            Outer,
            {"inner": {"low": "x"}},
            "inner.low: must be a whole number, not 'x'",
            ("inner.low",),
        ),
        (Outer, {"inner": {"low": 2}}, "inner: low is above high", ("inner",)),
        (Inner, {"low": 2}, "low is above high", ("low", "high")),
    ],
)
def test_a_fault_is_a_sentence_with_its_fields(
    model: type[StrictModel], values: dict[str, Any], sentence: str, fields: tuple[str, ...]
) -> None:
    error = fault(model, values)
    assert one_sentence(error) == sentence
    assert input_error(error).fields == fields
    assert str(input_error(error, file=Path("a.yaml"))) == f"a.yaml: {sentence}"
    assert input_error(error, file=Path("a.yaml")).file == Path("a.yaml")
