import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.step_plan import StepPlan, plan_steps


@given(epochs=st.integers(1, 60), more=st.integers(0, 5000))
def test_epochs_are_equal_parts_of_the_steps(epochs: int, more: int) -> None:
    plan = StepPlan(steps=epochs + more, epochs=epochs)
    lengths = [plan.length(epoch) for epoch in range(1, epochs + 1)]
    assert sum(lengths) == plan.steps
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1 or plan.steps_per_epoch % 1 == 0.5
    assert max(lengths) - min(lengths) <= 2
    assert [plan.end(epoch) for epoch in (0, epochs)] == [0, plan.steps]


@given(epochs=st.integers(1, 400), batches=st.integers(1, 10_000))
def test_without_steps_an_epoch_is_every_batch(epochs: int, batches: int) -> None:
    plan = plan_steps(epochs=epochs, steps=None, batches=batches)
    assert {plan.length(epoch) for epoch in range(1, epochs + 1)} == {batches}
    assert plan.steps_per_epoch == batches


@pytest.mark.parametrize(
    ("steps", "epochs", "ends"),
    [(10, 4, [0, 2, 5, 8, 10]), (5, 5, [0, 1, 2, 3, 4, 5]), (100, 3, [0, 33, 67, 100])],
)
def test_ends_are_rounded(steps: int, epochs: int, ends: list[int]) -> None:
    plan = plan_steps(epochs=epochs, steps=steps, batches=7)
    assert [plan.end(epoch) for epoch in range(epochs + 1)] == ends
