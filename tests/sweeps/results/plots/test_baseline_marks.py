from itertools import product

import pytest

from sweeps.results import RankedTrials, rank_trials
from sweeps.results.plots.baseline_marks import BaselineMark, baseline_marks
from sweeps.results.plots.layout import axes_of
from tests.sweeps.results.records import MEASUREMENTS, PAIR, TRIALS, baseline

# The trials lie in 0.6 ... 0.85 and 0.001 ... 0.010, shown times 100.


def made(*places: tuple[float, float]) -> tuple[RankedTrials, tuple[BaselineMark, ...]]:
    held = [baseline(n, f"b{n}", *place) for n, place in enumerate(places)]
    ranked = rank_trials("demo", PAIR, TRIALS, MEASUREMENTS, held)
    return ranked, baseline_marks(ranked, *axes_of(ranked))


def test_a_near_baseline_widens_the_picture_and_is_a_cross_in_it() -> None:
    _, [mark] = made((0.5, 0.015))
    assert [mark.x, mark.y] == pytest.approx([0.5, 1.5])
    assert mark.at == (mark.x, mark.y)
    assert (mark.label, mark.turned) == ("b0", False)
    assert mark.align[0] == 1  # into the picture


def test_a_far_one_leaves_the_trials_most_of_it() -> None:
    ranked, [mark] = made((0.2, 0.2))
    bare = rank_trials("demo", PAIR, TRIALS, MEASUREMENTS)
    assert axes_of(ranked) == axes_of(bare)
    assert (mark.x, mark.y) == (None, None)
    assert mark.label == "↖ b0 (Recall@1 0.2, OPIS 0.2)"
    assert mark.at == (0.01, 0.99)
    assert mark.align == (1, -1)


def test_a_line_alone_is_labelled_where_the_other_value_would_be() -> None:
    _, [left, above] = made((0.2, 0.005), (0.7, 0.2))
    assert left.x is None
    assert left.y == pytest.approx(0.5)
    assert (left.label, left.turned) == ("← b0 (Recall@1 0.2)", False)
    assert above.x == pytest.approx(0.7)
    assert above.y is None
    assert (above.label, above.turned) == ("b1 (OPIS 0.2) →", True)
    assert left.colour != above.colour


def test_those_in_a_corner_stand_below_each_other() -> None:
    _, marks = made((0.2, 0.2), (0.7, 0.005), (0.1, 0.3))
    assert [mark.shift for mark in marks if mark.x is None] == [(0, 0), (0, -13)]


def test_labels_stay_within_the_picture() -> None:
    for recall, inconsistency in product((0.2, 0.5, 0.7, 0.8), (0.004, 0.015, 0.2)):
        ranked, [mark] = made((recall, inconsistency))
        for axis, place, seen in zip(axes_of(ranked), mark.at, (mark.x, mark.y), strict=True):
            low, high = (axis.low, axis.high) if seen is not None else (0, 1)
            assert low <= place <= high


def test_what_failed_has_no_mark_and_nor_has_a_sweep_without_trials() -> None:
    failed = rank_trials("demo", PAIR, TRIALS, MEASUREMENTS, [baseline(0, "a", None)])
    assert baseline_marks(failed, *axes_of(failed)) == ()
    none = rank_trials("demo", PAIR, [], [], [baseline(0, "a", 0.5)])
    assert baseline_marks(none, *axes_of(none)) == ()
