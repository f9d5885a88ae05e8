import pytest

from objectives import InputError, get_objective
from sweeps.results import RankedTrials, pick_trial, picked_first, rank_trials

from .records import measured, trial

PAIR = (get_objective("recall_at_1"), get_objective("opis"))
# 0 is the control; 3 has learnt nothing, and is consistent for it.
VALUES = {0: (0.90, 0.006), 1: (0.92, 0.005), 2: (0.896, 0.004), 3: (0.1, 0.001), 4: (0.89, 0.003)}


def ranked(*numbers: int) -> RankedTrials:
    trials = [trial(number, control=number == 0) for number in numbers]
    return rank_trials("demo", PAIR, trials, [measured(n, *VALUES[n]) for n in numbers])


def test_what_has_learnt_nothing_is_not_picked() -> None:
    found = ranked(0, 1, 2, 3)
    assert [each.number for each in found.front] == [1, 2, 3]
    assert found.limits == {"recall_at_1": pytest.approx(0.895)}
    assert pick_trial(found, "consistency").number == 2
    assert found.knee in (1, 2)
    assert pick_trial(found, "3").number == 3


def test_what_is_less_accurate_than_the_control_is_not_picked() -> None:
    found = ranked(0, 1, 2, 4)
    assert [each.number for each in found.front] == [1, 2, 4]
    assert pick_trial(found, "consistency").number == 2
    assert pick_trial(found, "consistency", limits={"recall_at_1": 0.89}).number == 4
    assert ranked(0, 4).knee == 0


def test_where_noise_is_known_a_pick_is_as_accurate_as_the_control_but_for_that() -> None:
    def of(noise: float) -> RankedTrials:
        steps = [noise * step for step in (-1, 1, -1, 1)]
        runs = [
            measured(number, VALUES[number][0] + step, VALUES[number][1], seed=seed)
            for number in (0, 1, 2, 4)
            for seed, step in enumerate(steps)
        ]
        return rank_trials("demo", PAIR, [trial(n, control=n == 0) for n in (0, 1, 2, 4)], runs)

    sure, unsure = of(0.0005), of(0.005)
    for found in (sure, unsure):
        control = next(each for each in found.trials if each.control)
        low, high = control.intervals["recall_at_1"]
        below = control.searched["recall_at_1"] - (high - low) / 2
        assert found.limits == {"recall_at_1": pytest.approx(below)}
    assert pick_trial(sure, "consistency").number == 1
    assert pick_trial(unsure, "consistency").number == 2


def test_limits_of_ones_own() -> None:
    found = ranked(0, 1, 2, 3)
    assert pick_trial(found, "consistency", limits={"recall_at_1": 0.91}).number == 1
    assert pick_trial(found, "consistency", limits={"recall_at_1": 0.0}).number == 3
    assert pick_trial(found, "recall", limits={"opis": 0.0045}).number == 2
    with pytest.raises(InputError) as raised:
        pick_trial(found, "knee", limits={"recall_at_1": 0.95, "opis": 0.002})
    with pytest.raises(InputError, match="trial 2 of demo does not keep the limits"):
        pick_trial(found, "2", limits={"recall_at_1": 0.95})
    assert str(raised.value) == (
        "demo: no trial of the front has Recall@1 at least 0.95 and OPIS at most 0.002; "
        "relax the limits, or pick a trial by its number"
    )


def test_without_a_control_the_references_alone_are_limits() -> None:
    found = ranked(1, 2, 3)
    assert found.limits == {}
    assert pick_trial(found, "consistency").number == 3


def test_where_nothing_keeps_the_limits_there_is_no_knee() -> None:
    trials = [trial(0, control=True), trial(3)]
    # The control is as accurate as before, and its OPIS has no limit.
    found = rank_trials("demo", PAIR, trials, [measured(0, 0.9, 0.3), measured(3, 0.1, 0.001)])
    assert (found.knee, found.knee_trial) == (None, None)
    with pytest.raises(InputError, match=r"no trial of the front has Recall@1 at least 0\.895"):
        pick_trial(found, "knee")
    assert picked_first(found) == tuple(each.number for each in found.front)


def test_the_picks_come_before_other_members() -> None:
    found = ranked(0, 1, 2, 3)
    first = picked_first(found)
    assert first[0] == found.knee
    assert (sorted(first), first[-1]) == ([1, 2, 3], 3)
    assert picked_first(rank_trials("demo", PAIR, [], [])) == ()
