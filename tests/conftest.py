"""Marks of the tests that follow from what they use, and what only one process at a time may do."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from filelock import FileLock

_OF_THIS_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID")  # none in a single process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tiny" in getattr(item, "fixturenames", ()):  # a sweep that a real Ray carries out
            item.add_marker(pytest.mark.ray)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if _OF_THIS_RUN is None or item.get_closest_marker("ray") is None:
        return (yield)
    # Two Rays at a time would wait for each other's cores, and some tests look at the clock.
    with FileLock(Path(tempfile.gettempdir()) / f"tcm-sweeps-tests-{_OF_THIS_RUN}.lock"):
        return (yield)
