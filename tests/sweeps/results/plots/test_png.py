from sweeps.results import rank_trials
from sweeps.results.plots import front_png
from tests.sweeps.results.records import MEASUREMENTS, PAIR, TRIALS, baseline


def test_a_label_is_no_mathematics() -> None:
    held = [baseline(0, r"untouched trunk (weights=$\a_$.pt)", 0.7, 0.005)]
    picture = front_png(rank_trials("demo", PAIR, TRIALS, MEASUREMENTS, held))
    assert picture.startswith(b"\x89PNG")
