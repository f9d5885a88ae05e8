import re
from pathlib import Path

import pytest
from pydantic import ValidationInfo, field_validator

from objectives import InputError
from trainer import StrictModel, load_model, read_yaml

_LAUGHS = b"a: &a [1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10))
    for name in range(ord("b"), ord("j"))
)


class Pair(StrictModel):
    first: int
    second: int = 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


def test_a_model_is_read(file: Path) -> None:
    file.write_text("first: 1")
    assert load_model(file, Pair) == Pair(first=1)
    file.write_text("{first: 3, second: 4}")
    assert load_model(file, Pair) == Pair(first=3, second=4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [1", "line 1: expected ',' or ']', but got '<stream end>'"),
        (b"a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
        (b"b: {c: 1, c: 2}", "line 1: the key 'c' is there twice"),
        (b"a: 2024-13-45", "month must be in 1..12"),
        (b"a: &a [*a]", "line 1: a value holds itself"),
        (b"a: !!python/object/apply:os.getcwd []", "line 1: could not determine a constructor"),
        (b"a: !!binary aGk=", "line 1: could not determine a constructor"),
        (b"a: !!bool x", "a value is not what its tag says"),
        (b"[" * 60 + b"]" * 60, "line 1: values are nested too deeply"),
        (b"[" * 9000, "values are nested too deeply"),
        (b"a: 1" + b"0" * 5000, "Exceeds the limit (4300 digits)"),
        (b"#" * 1_000_001, "there are more than 1000000 characters"),
        (_LAUGHS, "line 6: there are more than 100000 values"),
        (b"\xff\xfe\x00", "'utf-8' codec can't decode byte 0xff in position 0"),
    ],
)
def test_a_file_that_is_no_yaml(content: bytes, reason: str, file: Path) -> None:
    file.write_bytes(content)
    start = re.escape(f"{file}: is not valid YAML ({reason}")
    with pytest.raises(InputError, match=f"^{start}") as caught:
        read_yaml(file)
    assert caught.value.file == file
    with pytest.raises(InputError) as caught:
        load_model(file, Pair, kind="a file of pairs")
    assert str(caught.value) == f"{file}: is not a file of pairs"


@pytest.mark.parametrize(
    ("content", "message", "fields"),
    [
        ("{first: 1, third: 3}", "third: unknown key", ("third",)),
        ("{first: one}", "first: must be a whole number, not 'one'", ("first",)),
        ("3", "must be a mapping, not 3", ()),
    ],
)
def test_content_that_does_not_fit(
    content: str, message: str, fields: tuple[str, ...], file: Path
) -> None:
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        load_model(file, Pair)
    assert str(caught.value) == f"{file}: {message}"
    assert (caught.value.file, caught.value.fields) == (file, fields)


def test_a_model_sees_the_context(file: Path) -> None:
    class Sees(StrictModel):
        first: int = 1

        @field_validator("first")
        @classmethod
        def _more(cls, value: int, info: ValidationInfo) -> int:
            if info.context is None:
                raise InputError("there is no context")
            return value + int(info.context["more"])

    file.write_text("first: 3")
    assert load_model(file, Sees, context={"more": 2}) == Sees.model_construct(first=5)
    with pytest.raises(InputError, match=r"a\.yaml: first: there is no context$"):
        load_model(file, Sees)


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(InputError, match=r"a\.yaml: cannot be read \(No such file"):
        read_yaml(file)
