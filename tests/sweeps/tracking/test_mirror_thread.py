import logging
from threading import Event

import pytest

from sweeps.tracking import MirrorThread


class FakeMirror:
    """Counts its calls, and fails as told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.calls: list[str] = []
        self.enough = Event()
        self.failures = failures

    def mirror(self) -> None:
        self.calls.append("mirror")
        if len(self.calls) > 2:
            self.enough.set()
        if len(self.calls) <= self.failures:
            raise ConnectionError("gone")

    def finish(self) -> None:
        self.calls.append("finish")


def test_thread_mirrors_again_and_again_then_finishes_once() -> None:
    mirror = FakeMirror()
    with MirrorThread(mirror, interval=0) as thread:
        assert mirror.enough.wait(30)
    assert mirror.calls[0] == "mirror"
    assert mirror.calls.count("finish") == 1
    assert mirror.calls[-1] == "finish"
    assert thread.last_error is None


def test_thread_does_not_wait_out_its_interval() -> None:
    mirror = FakeMirror()
    with MirrorThread(mirror, interval=3600):
        pass
    assert mirror.calls == ["mirror", "finish"]


def test_thread_forgets_an_error_that_has_passed(caplog: pytest.LogCaptureFixture) -> None:
    mirror = FakeMirror(failures=2)
    with caplog.at_level(logging.WARNING), MirrorThread(mirror, interval=0) as thread:
        assert mirror.enough.wait(30)
    assert thread.last_error is None
    assert [record.message for record in caplog.records] == [
        "MLflow is not up to date, the sweep goes on without it: gone"
    ]


def test_thread_finishes_when_the_sweep_raises() -> None:
    mirror = FakeMirror()
    with pytest.raises(KeyboardInterrupt), MirrorThread(mirror, interval=3600):
        raise KeyboardInterrupt
    assert mirror.calls[-1] == "finish"


def test_thread_does_not_wait_for_ever() -> None:
    release = Event()

    class Stuck(FakeMirror):
        def mirror(self) -> None:
            release.wait(30)

    with MirrorThread(Stuck(), interval=0, patience=0.01) as thread:
        pass
    release.set()
    assert isinstance(thread.last_error, TimeoutError)
