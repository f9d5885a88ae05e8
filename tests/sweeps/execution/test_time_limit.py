import threading

import pytest

import sweeps.execution.time_limit
from sweeps.execution.time_limit import TimeLimit


def test_a_run_may_take_as_long_as_it_says() -> None:
    now = [5.0]
    limit = TimeLimit(3.0, clock=lambda: now[0])
    seen = []
    for now[0] in (5.0, 8.0, 8.1):
        seen.append(limit.is_over)
    limit.lift()
    assert seen == [False, False, True]
    assert (str(limit.reached), limit.reached.kind) == (
        "has trained for more than 3 s",
        "time_limit",
    )


def test_without_one_it_takes_as_long_as_it_takes() -> None:
    now = [0.0]
    limit = TimeLimit(None, clock=lambda: now[0])
    now[0] = 1e9
    assert not limit.is_over
    limit.lift()


def test_the_process_of_a_run_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps.execution.time_limit, "_MARGIN_SECONDS", 0.0)
    ended = threading.Event()
    TimeLimit(0.001, end=lambda _: ended.set())
    assert ended.wait(30)


def test_that_of_a_run_that_has_ended_is_not() -> None:
    limit = TimeLimit(1e300)  # longer than any clock of the system
    [watchdog] = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    limit.lift()
    watchdog.join(30)
    assert not watchdog.is_alive()
