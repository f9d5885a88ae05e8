"""Time and faults for the tests of the store."""

import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import OperationalError


class Time:
    """Time that passes when it is slept, and then tells of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.woken: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.woken()


def fault(reason: str = "database is locked") -> OperationalError:
    cause = sqlite3.OperationalError(reason)
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return OperationalError("INSERT", {}, cause)
