from typing import Any

from sweeps.execution.endings import Ending, Endings
from sweeps.spec import Failures
from sweeps.store import TrialState
from trainer import Measurement

from .test_last_words import DIED, RAISED

SETTLES = 3.0

AT_LAST = {"number": 8, "seed": 0, "last_epoch": 2}


def result(epoch: int | None, failure: str | None = None) -> dict[str, Any]:
    measured = epoch and Measurement(epoch=epoch, seed=0, split="validation", metrics={"opis": 0.1})
    return {"measurement": measured, "failure": failure, "kind": "not_scored", "done": False}


class Time:
    """Clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def died(endings: Endings, number: int, seed: int = 0, text: str = DIED) -> Ending:
    """Let a process begin a run, and die."""
    endings.begins(number, seed)
    return endings.of_error(text, number=number, seed=seed)


def test_a_run_is_complete_with_its_last_rung() -> None:
    endings = Endings(Failures())
    assert endings.of_result(result(1), **AT_LAST) is None
    assert endings.of_result(result(2), **AT_LAST) == Ending(state=TrialState.COMPLETE)


def test_what_cannot_be_scored_failed_by_its_own_doing() -> None:
    found = Endings(Failures()).of_result(result(None, "the loss is not finite"), **AT_LAST)
    assert found is not None
    assert (found.state, found.kind) == (TrialState.FAILED, "not_scored")
    assert found.reason == "the loss is not finite"


def test_what_raises_failed_and_keeps_its_stack() -> None:
    found = Endings(Failures()).of_error(RAISED, number=0, seed=0)
    assert (found.state, found.kind) == (TrialState.FAILED, "error")
    assert found.reason == "BrokenModel: no such thing: a layer"
    assert "in step" in (found.traceback or "")


def test_a_run_whose_process_dies_is_lost_and_the_third_time_failed() -> None:
    endings = Endings(Failures())
    found = []
    for _ in range(3):
        found.append(died(endings, 0))
        endings.of_result(result(1), **AT_LAST)  # of another run: no row
    assert [each.state.value for each in found] == ["LOST", "LOST", "FAILED"]
    assert (found[2].reason or "").startswith("3 times: the actor died: its worker process")
    assert endings.trouble is None
    assert died(endings, 0, 1).state is TrialState.LOST


def test_five_losses_in_a_row_are_trouble() -> None:
    endings = Endings(Failures())
    for number in range(4):
        died(endings, number)
    endings.of_result(result(1), **AT_LAST)
    for number in range(4):
        died(endings, number, 1)
    endings.of_result(result(None, "collapsed"), **AT_LAST)  # proves nothing
    assert endings.trouble is None
    died(endings, 9, 1)
    assert (endings.trouble or "").startswith("5 runs in a row were lost: the actor died: ")


def test_where_none_can_run_none_fails_for_it() -> None:
    endings = Endings(Failures())
    found = [died(endings, number) for number in (0, 0, 1, 1, 0)]
    assert endings.trouble
    assert {each.state for each in found} == {TrialState.LOST}


def test_what_failed_by_its_own_doing_did_so_also_in_times_of_trouble() -> None:
    endings = Endings(Failures(losses_in_a_row=1))
    died(endings, 0)
    assert endings.trouble
    found = endings.of_result(result(None, "collapsed"), **AT_LAST)
    assert found is not None
    assert found.state is TrialState.FAILED


def test_losses_for_different_reasons_are_no_row() -> None:
    endings = Endings(Failures())
    for number in range(8):
        died(endings, number, text=f"dead because of {'sun' * (number % 2)}")
    assert endings.trouble is None


def test_reasons_that_differ_in_a_process_are_the_same() -> None:
    endings = Endings(Failures())
    for number in range(5):
        text = (
            f"The actor is dead because node 10.0.0.{number}, pid {number}, ff00{number}aabb died"
        )
        died(endings, number, text=text)
    assert endings.trouble


def test_runs_that_are_lost_together_are_one_loss() -> None:
    endings = Endings(Failures())
    for _ in range(4):
        for number in range(8):
            endings.begins(number, 0)
        found = [endings.of_error(DIED, number=number, seed=0) for number in range(8)]
        assert {each.state for each in found[1:]} == {TrialState.LOST}
    assert found[0].state is TrialState.FAILED  # it alone may have pulled them down each time
    assert endings.trouble is None


def test_what_no_process_began_is_lost_with_a_loss_a_moment_before() -> None:
    time = Time()
    endings = Endings(Failures(), clock=time)
    settling = [endings.settling]
    died(endings, 0)
    settling.append(endings.settling)
    for number in [*range(9)] * 9:  # Ray hands out processes of a node that has gone
        assert endings.of_error(DIED, number=number, seed=0).state is TrialState.LOST
    assert endings.trouble is None
    time.now += SETTLES
    settling.append(endings.settling)
    assert settling == [False, True, False]
    assert died(endings, 0).state is TrialState.LOST  # its second loss


def test_what_no_process_ever_begins_is_trouble_in_the_end_and_no_failure() -> None:
    time = Time()
    endings = Endings(Failures(), clock=time)
    for _ in range(5):
        assert endings.trouble is None
        assert endings.of_error(DIED, number=0, seed=0).state is TrialState.LOST
        time.now += SETTLES
    assert (endings.trouble or "").startswith("5 runs in a row were lost: ")


def test_what_no_process_ever_begins_fails_in_the_end_where_others_go_on() -> None:
    time = Time()
    endings = Endings(Failures(), clock=time)
    states = []
    for _ in range(101):
        states.append(endings.of_error(DIED, number=0, seed=0))
        endings.of_result(result(1), **AT_LAST)  # of another run: no row
        time.now += SETTLES
    assert {each.state for each in states[:100]} == {TrialState.LOST}
    assert states[100].state is TrialState.FAILED
    assert (states[100].reason or "").startswith("101 times: the actor died: ")


def test_what_no_process_begins_hides_no_loss_of_what_one_did() -> None:
    time = Time()
    endings = Endings(Failures(), clock=time)
    found = []
    for _ in range(3):
        endings.begins(1, 0)
        endings.of_error(DIED, number=0, seed=0)  # on a node that can begin nothing
        endings.of_result(result(1), **AT_LAST)
        found.append(endings.of_error(DIED, number=1, seed=0).state)
        time.now += SETTLES
    assert found == [TrialState.LOST, TrialState.LOST, TrialState.FAILED]


def unreadable(why: str) -> dict[str, Any]:
    return {**result(None, why), "kind": "data"}


def test_data_that_a_machine_cannot_read_are_its_own_doing() -> None:
    endings = Endings(Failures())
    for number in range(5):
        endings.begins(number, 0)
        found = endings.of_result(unreadable("no file"), number=number, seed=0, last_epoch=2)
        assert found is not None
        assert (found.state, found.kind, found.reason) == (TrialState.LOST, "data", "no file")
    assert endings.trouble == "5 runs in a row were lost: no file"


def test_what_fails_by_its_own_doing_is_no_loss() -> None:
    endings = Endings(Failures())
    for number in range(9):
        endings.of_error(RAISED, number=number, seed=0)
    assert endings.trouble is None


def test_what_is_to_be_run_again_is_said_by_the_policy() -> None:
    policy = Failures.model_validate({"retries": {"error": 1, "lost": 0}, "losses_in_a_row": 2})
    endings = Endings(policy)
    states = [endings.of_error(RAISED, number=0, seed=0).state.value for _ in range(3)]
    assert states == ["LOST", "FAILED", "FAILED"]
    assert died(endings, 1).state is TrialState.FAILED
    assert endings.trouble is None
    assert died(endings, 2).state is TrialState.LOST
    assert (endings.trouble or "").startswith("2 runs in a row were lost: ")


def test_failures_of_different_kinds_are_counted_apart() -> None:
    endings = Endings(Failures.model_validate({"retries": {"time_limit": 1, "error": 1}}))
    slow = {**result(None, "has trained for more than 9 s"), "kind": "time_limit"}
    first = endings.of_result(slow, **AT_LAST)
    second = endings.of_error(RAISED, number=8, seed=0)
    assert first is not None
    assert [first.state, second.state] == [TrialState.LOST] * 2
    third = endings.of_result(slow, **AT_LAST)
    assert third is not None
    assert (third.state, third.kind) == (TrialState.FAILED, "time_limit")
    assert third.reason == "2 times: has trained for more than 9 s"
