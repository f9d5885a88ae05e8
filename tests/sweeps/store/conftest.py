from pathlib import Path

import pytest

from sweeps.store import WriteQueue

from .factories import Time


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sweeps.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def queue(time: Time) -> WriteQueue:
    return WriteQueue(clock=time, sleep=time.sleep)
