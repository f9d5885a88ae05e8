import faulthandler
import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import pytest

from sweeps.execution.time_limit import TimeLimit

HANGS = """
import time
import sweeps.execution.time_limit as ours
ours._MARGIN_SECONDS = 0.0
limit = ours.TimeLimit({limit})
{lift}
deadline = time.monotonic() + {seconds}
while time.monotonic() < deadline:
    pass
print("went on")
"""


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


def test_without_one_it_takes_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = Mock()
    monkeypatch.setattr(faulthandler, "dump_traceback_later", timer)
    now = [0.0]
    limit = TimeLimit(None, clock=lambda: now[0])
    now[0] = 1e9
    assert not limit.is_over
    limit.lift()
    timer.assert_not_called()


def ran(**words: Any) -> "subprocess.CompletedProcess[str]":
    code = HANGS.format(**words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_process_of_a_run_that_hangs_is_ended_and_says_where() -> None:
    ended = ran(limit=0.001, lift="", seconds=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "in <module>" in ended.stderr


def test_that_of_a_run_that_has_ended_is_not() -> None:
    ended = ran(limit=1.0, lift="limit.lift()", seconds=3)
    assert (ended.returncode, ended.stdout) == (0, "went on\n"), ended


def test_a_limit_may_be_longer_than_any_clock_runs() -> None:
    TimeLimit(1e300).lift()
