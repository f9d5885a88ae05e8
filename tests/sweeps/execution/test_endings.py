from typing import Any

from sweeps.execution.endings import Ending, Endings
from sweeps.store import TrialState
from trainer import Measurement

from .test_last_words import DIED, RAISED


def result(epoch: int | None, failure: str | None = None) -> dict[str, Any]:
    measured = epoch and Measurement(epoch=epoch, seed=0, split="validation", metrics={"opis": 0.1})
    return {"measurement": measured, "failure": failure, "done": False}


def test_a_run_is_complete_with_its_last_rung() -> None:
    endings = Endings()
    assert endings.of_result(result(1), last_epoch=2) is None
    assert endings.of_result(result(2), last_epoch=2) == Ending(state=TrialState.COMPLETE)


def test_what_cannot_be_scored_failed_by_its_own_doing() -> None:
    found = Endings().of_result(result(None, "the loss is not finite"), last_epoch=2)
    assert found is not None
    assert (found.state, found.kind) == (TrialState.FAILED, "not scored")
    assert found.reason == "the loss is not finite"


def test_what_raises_failed_and_keeps_its_stack() -> None:
    found = Endings().of_error(RAISED, number=0, seed=0)
    assert (found.state, found.kind) == (TrialState.FAILED, "error")
    assert found.reason == "BrokenModel: no such thing: a layer"
    assert "in step" in (found.traceback or "")


def test_a_run_whose_process_dies_is_lost_and_the_third_time_failed() -> None:
    endings = Endings()
    found = []
    for _ in range(3):
        found.append(endings.of_error(DIED, number=0, seed=0))
        endings.of_result(result(1), last_epoch=2)  # of another run: no row
    assert [each.state.value for each in found] == ["LOST", "LOST", "FAILED"]
    assert (found[2].reason or "").startswith("lost 3 times: the actor died: its worker process")
    assert endings.trouble is None
    assert endings.of_error(DIED, number=0, seed=1).state is TrialState.LOST


def test_five_losses_in_a_row_are_trouble() -> None:
    endings = Endings()
    for number in range(4):
        endings.of_error(DIED, number=number, seed=0)
    endings.of_result(result(1), last_epoch=2)
    for number in range(4):
        endings.of_error(DIED, number=number, seed=1)
    assert endings.trouble is None
    endings.of_error(DIED, number=9, seed=1)
    assert (endings.trouble or "").startswith("5 runs in a row were lost: the actor died: ")


def test_what_fails_by_its_own_doing_is_no_loss() -> None:
    endings = Endings()
    for number in range(9):
        endings.of_error(RAISED, number=number, seed=0)
    assert endings.trouble is None
