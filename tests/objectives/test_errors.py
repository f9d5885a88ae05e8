import copy
import pickle
from pathlib import Path

import pytest

from objectives import Calibration, InputError


@pytest.mark.parametrize(
    ("error", "text", "fields"),
    [
        (InputError("is wrong"), "is wrong", ()),
        (InputError("is wrong", field="name"), "name: is wrong", ("name",)),
        (
            InputError("low and high are wrong", field=["low", "high"]),
            "low and high are wrong",
            ("low", "high"),
        ),
        (InputError("low (1) is wrong", field=("low",)), "low (1) is wrong", ("low",)),
        (InputError("is wrong", file=Path("a.yaml")), "a.yaml: is wrong", ()),
        (InputError("is wrong", field="x", file=Path("a.yaml")), "a.yaml: x: is wrong", ("x",)),
        (InputError("x is wrong", field=["x"], file=Path("a.yaml")), "a.yaml: x is wrong", ("x",)),
    ],
    ids=str,
)
def test_text_and_fields(error: InputError, text: str, fields: tuple[str, ...]) -> None:
    assert str(error) == text
    assert error.fields == fields
    assert error.file == (Path("a.yaml") if text.startswith("a.yaml") else None)


def test_is_the_same_after_pickling() -> None:
    error = InputError("is wrong", field="x", file=Path("a.yaml"))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is InputError
        assert (str(twin), twin.fields, twin.file) == (str(error), error.fields, error.file)
        assert twin.args == ("a.yaml: x: is wrong",)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"far_min": 0.2}, ("far_min", "far_max")),
        ({"operating_far": 0.0}, ("operating_far",)),
        ({"mean": "median"}, ("mean",)),
        ({"thresholds": 3}, ("thresholds",)),
        ({"d_min": 0.5}, ("d_min", "d_max")),
        ({"d_min": 0.5, "d_max": 0.4}, ("d_min", "d_max")),
    ],
    ids=str,
)
def test_calibration_names_its_fields(settings: dict[str, float], fields: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Calibration(**settings)  # type: ignore[arg-type]
    assert caught.value.fields == fields
