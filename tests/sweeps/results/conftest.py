import pytest

from sweeps.results import RankedTrials, rank_trials

from .records import MEASUREMENTS, PAIR, TRIALS


@pytest.fixture
def front() -> RankedTrials:
    return rank_trials("demo", PAIR, TRIALS, MEASUREMENTS)
