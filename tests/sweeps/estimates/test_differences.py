from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from objectives import get_objective
from sweeps.estimates import Array, Difference, paired_differences

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


def coverage(name: str, level: float, *, seeds: int, picks: int, common: float) -> float:
    """Share of intervals that hold the truth: picks held against one control and default."""
    objective, generator = get_objective(name), np.random.default_rng(seeds)
    held = []
    pairs = [(pick, other) for pick in range(picks) for other in (10, 11)] + [(11, 10)]
    trials = [*range(picks), 10, 11]
    for _ in range(600):
        unit = level if name == "opis" else level * (1 - level)
        true = dict(zip(trials, level + unit * generator.normal(0, 0.1, len(trials)), strict=True))
        of_seed = generator.normal(0, common, seeds)
        values = {
            trial: by_seed([*(true[trial] + unit * (of_seed + generator.normal(0, 0.1, seeds)))])
            for trial in trials
        }
        for pair, found in zip(pairs, paired_differences(values, pairs, objective), strict=True):
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= true[pair[0]] - true[pair[1]] <= found.high)
    return float(np.mean(held))


@pytest.mark.parametrize(("name", "level"), [("opis", 0.003), ("recall_at_1", 0.97)])
@pytest.mark.parametrize(("seeds", "picks"), [(2, 1), (3, 1), (2, 3), (5, 2)])
@pytest.mark.parametrize("common", [0.0, 0.3])
def test_intervals_hold_the_truth_where_pairs_share_trials(
    name: str, level: float, seeds: int, picks: int, common: float
) -> None:
    assert 0.93 < coverage(name, level, seeds=seeds, picks=picks, common=common) < 0.97


def test_families_are_apart_in_level_and_noise_is_pooled() -> None:
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


@pytest.mark.parametrize(("name", "levels"), [("opis", (3, 12)), ("recall_at_1", (0.8, 0.97))])
@pytest.mark.parametrize("common", [0.0, 0.1])
def test_runs_that_chose_tell_of_the_noise_but_not_of_the_difference(
    name: str, levels: tuple[float, float], common: float
) -> None:
    """As at the end of a sweep: one fresh seed of each, and several that chose."""
    generator, objective = np.random.default_rng(0), get_objective(name)
    trials = dict(enumerate([levels[0], levels[1], levels[1]]))
    units = {n: v * (1 if name == "opis" else 1 - v) for n, v in trials.items()}
    held = []
    for _ in range(1_500):
        of_seed = generator.normal(0, common, 10)

        def seeds(number: int, *which: int, of_seed: Array = of_seed) -> dict[int, float]:
            noise = {seed: of_seed[seed] + generator.normal(0, 0.1) for seed in which}
            return {seed: trials[number] + units[number] * off for seed, off in noise.items()}

        fresh = {number: seeds(number, 9) for number in trials}
        # The runs that chose speak too well of the first one.
        lucky = {seed: value + units[0] for seed, value in seeds(0, 0, 1, 2, 3).items()}
        chose = {0: lucky, 1: seeds(1, 0, 1), 2: seeds(2, 0, 1)}
        runs = {number: {**chose[number], **fresh[number]} for number in trials}
        pairs = [(0, 1), (0, 2)]
        for (one, other), found in zip(
            pairs, paired_differences(fresh, pairs, objective, runs=runs), strict=True
        ):
            assert found.value == fresh[one][9] - fresh[other][9]
            assert found.low is not None
            assert found.high is not None
            held.append(found.low <= trials[one] - trials[other] <= found.high)
        unsure = paired_differences(fresh, pairs, objective)
        assert not any(each.is_known for each in unsure)
    assert float(np.mean(held)) > 0.93


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
