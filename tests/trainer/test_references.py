import pytest

from objectives import InputError
from trainer import import_object


def test_an_object_is_found_by_its_module_and_name() -> None:
    assert import_object("math:pi", field="x") == pytest.approx(3.14159, abs=1e-5)
    assert import_object("os.path:join.__name__", field="x") == "join"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("math", "'math' is not a module, a colon and a name in it"),
        ("math:", "'math:' is not a module, a colon and a name in it"),
        (":pi", "':pi' is not a module, a colon and a name in it"),
        ("math:tau.e", "'math:tau.e': the module 'math' has no 'tau.e'"),
        ("math:a b", "'math:a b': the module 'math' has no 'a b'"),
        (
            "no_such.inner:x",
            "'no_such.inner:x': there is no module 'no_such' among those that Python can import",
        ),
        (
            "os.no_such:x",
            "'os.no_such:x': there is no module 'os.no_such' among those that Python can import",
        ),
    ],
)
def test_a_reference_that_leads_nowhere(reference: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        import_object(reference, field="workload")
    assert str(caught.value) == f"workload: {message}"
    assert caught.value.fields == ("workload",)
