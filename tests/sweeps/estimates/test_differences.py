from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from scipy import stats

from objectives import Objective, get_objective
from sweeps.estimates import Array, Difference, paired_differences, scaled, unscaled

LINEAR = replace(get_objective("opis"), scale="linear")


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values))


def test_one_pair_has_the_interval_of_a_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(2, 1, 7), generator.normal(1, 1, 7)
    values = {3: by_seed([*first]), 8: {**by_seed([*second]), 99: 5.0}}
    [found] = paired_differences(values, [(3, 8)], LINEAR)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.value == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def scored(points: Array, objective: Objective) -> Array:
    """Values that have these places on the objective's scale."""
    return unscaled(points[:, None], [objective], noise=np.zeros((1, 1)))[:, 0]


def coverage(name: str, level: float, *, seeds: int, picks: int, common: float) -> float:
    """Share of intervals that hold the truth: picks held against one control and default."""
    objective, generator = get_objective(name), np.random.default_rng(seeds)
    held = []
    pairs = [(pick, other) for pick in range(picks) for other in (10, 11)] + [(11, 10)]
    trials = [*range(picks), 10, 11]
    every_seed = generator.normal(0, np.hypot(0.1, common), 10_000)
    for _ in range(600):
        centre = scaled(np.array([level]), [objective])[0]
        true = dict(zip(trials, centre + generator.normal(0, 0.1, len(trials)), strict=True))
        of_seed = generator.normal(0, common, seeds)
        values = {
            trial: by_seed(
                [*scored(true[trial] + of_seed + generator.normal(0, 0.1, seeds), objective)]
            )
            for trial in trials
        }
        means = {trial: scored(true[trial] + every_seed, objective).mean() for trial in trials}
        for pair, found in zip(pairs, paired_differences(values, pairs, objective), strict=True):
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= means[pair[0]] - means[pair[1]] <= found.high)
    return float(np.mean(held))


@pytest.mark.parametrize(("name", "level"), [("opis", 0.003), ("recall_at_1", 0.97)])
@pytest.mark.parametrize(("seeds", "picks"), [(2, 1), (3, 1), (2, 3), (5, 2)])
@pytest.mark.parametrize("common", [0.0, 0.3])
def test_intervals_hold_the_truth_where_pairs_share_trials(
    name: str, level: float, seeds: int, picks: int, common: float
) -> None:
    assert 0.93 < coverage(name, level, seeds=seeds, picks=picks, common=common) < 0.97


def test_pairs_are_apart_in_level_and_noise_is_pooled() -> None:
    generator = np.random.default_rng(0)
    opis, held = get_objective("opis"), []
    for _ in range(600):
        values = {
            number: by_seed([*(level * (1 + generator.normal(0, 0.1, 2)))])
            for number, level in ((0, 0.002), (1, 0.002), (2, 0.009), (3, 0.009))
        }
        for found in paired_differences(values, [(0, 1), (2, 3)], opis):
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= 0 <= found.high)
    assert 0.93 < float(np.mean(held)) < 0.97


def test_other_runs_tell_of_the_noise_as_well() -> None:
    generator = np.random.default_rng(0)
    opis, held, alone = get_objective("opis"), [], []
    others = dict.fromkeys(range(2, 6), 3)
    for _ in range(600):
        # As a sweep has it: one fresh seed of the pair, and what the search replicated.
        runs = {
            number: by_seed([*(0.003 * np.exp(generator.normal(0, 0.1, count)))])
            for number, count in {0: 1, 1: 1, **others}.items()
        }
        [found] = paired_differences(runs, [(0, 1)], opis, runs=runs)
        [unsure] = paired_differences({n: runs[n] for n in (0, 1)}, [(0, 1)], opis)
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= 0 <= found.high)
        alone.append(unsure.is_known)
    assert 0.93 < float(np.mean(held)) < 0.97
    assert not any(alone)


def test_thousands_of_trials_cost_little() -> None:
    generator = np.random.default_rng(0)
    runs = {number: by_seed([*generator.normal(0, 1, 5)]) for number in range(3_000)}
    started = perf_counter()
    [found] = paired_differences(runs, [(0, 1)], LINEAR)
    assert perf_counter() - started < 2
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * (2 / 5) ** 0.5, rel=0.02)


def test_what_tells_nothing_of_the_noise_has_no_interval() -> None:
    values = {0: {5: 1.0}, 1: {5: 0.5}}
    assert paired_differences(values, [(0, 1)], LINEAR) == [Difference(value=0.5)]
    # Of shares of few samples two differences are easily the same.
    values = {0: by_seed([1.0, 1.0]), 1: by_seed([0.5, 0.5])}
    assert paired_differences(values, [(0, 1)], LINEAR) == [Difference(value=0.5)]
    assert paired_differences({}, [], LINEAR) == []


def test_better_and_worse_are_of_the_whole_interval() -> None:
    recall, opis = get_objective("recall_at_1"), get_objective("opis")
    sure = Difference(value=0.2, low=0.1, high=0.3)
    assert (sure.better(recall), sure.worse(recall)) == (True, False)
    assert (sure.better(opis), sure.worse(opis)) == (False, True)
    for open_ in (Difference(value=0.2, low=-0.1, high=0.5), Difference(value=0.2)):
        assert (open_.better(recall), open_.worse(recall)) == (False, False)
    assert (str(sure), str(Difference(value=-0.25))) == ("+0.2 ± 0.1", "-0.25")
    assert (sure.is_known, Difference(value=0.2).is_known) == (True, False)
