import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.estimates import Array, Posterior, posterior_of

NOISE = np.array([[0.25, 0.1], [0.1, 0.16]])


def runs_of(
    truth: Array, per: int, generator: np.random.Generator
) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    owners = np.repeat(np.arange(len(truth)), per)
    noise = generator.multivariate_normal([0, 0], NOISE, len(owners))
    return truth[owners] + noise, owners


def posterior(values: Array, owners: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Posterior:
    found = posterior_of(values, owners)
    assert found is not None
    return found


def test_single_runs_tell_nothing_of_noise() -> None:
    assert posterior_of(np.ones((5, 2)), np.arange(5)) is None


def test_noise_is_that_within_configurations() -> None:
    generator = np.random.default_rng(0)
    truth = 100 * generator.standard_normal((2000, 2))
    found = posterior(*runs_of(truth, 3, generator))
    assert found.freedom == 4000
    assert found.noise == pytest.approx(NOISE, rel=0.1)


def test_alike_configurations_are_said_to_be_alike() -> None:
    generator = np.random.default_rng(1)
    found = posterior(*runs_of(np.tile([3.0, -1.0], (200, 1)), 2, generator))
    assert found.raw.std(0) == pytest.approx(np.sqrt(np.diag(NOISE) / 2), rel=0.2)
    assert (found.mean.std(0) < 0.25 * found.raw.std(0)).all()
    assert found.mean.mean(0) == pytest.approx([3.0, -1.0], abs=0.1)


def test_far_apart_configurations_stay_where_they_were_measured() -> None:
    generator = np.random.default_rng(2)
    found = posterior(*runs_of(50 * generator.standard_normal((40, 2)), 2, generator))
    assert found.mean == pytest.approx(found.raw, abs=0.1)
    assert found.covariance == pytest.approx(np.tile(found.noise / 2, (40, 1, 1)), rel=0.1)


def test_shrinkage_is_that_of_two_normals() -> None:
    generator = np.random.default_rng(3)
    prior = np.array([[0.5, -0.2], [-0.2, 0.3]])
    truth = generator.multivariate_normal([1, 2], prior, 4000)
    found = posterior(*runs_of(truth, 2, generator))
    kept = prior @ np.linalg.inv(prior + NOISE / 2)
    # Tails of a t leave the far ones a little farther out than a normal prior would.
    typical = ((truth - [1, 2]) ** 2).sum(1) < 1
    naive = np.array([1, 2]) + (found.raw - [1, 2]) @ kept.T
    assert np.abs(found.mean - naive)[typical].mean() < 0.03


def test_an_outlier_does_not_make_the_others_look_far_apart() -> None:
    generator = np.random.default_rng(4)
    values, owners = runs_of(np.zeros((30, 2)), 2, generator)
    values[:4] += 10
    found = posterior(values, owners)
    normal = 1 - np.diag(NOISE) / 2 / found.raw.var(0)  # what a normal prior would leave of them
    assert (normal > 0.97).all()
    assert (found.mean[2:].std(0) < 0.8 * found.raw[2:].std(0)).all()
    assert found.mean[:2] == pytest.approx(found.raw[:2], abs=1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_configurations_are_left_as_they_are(count: int) -> None:
    generator = np.random.default_rng(5)
    found = posterior(*runs_of(np.zeros((count, 2)), 4, generator))
    assert found.mean == pytest.approx(found.raw)
    assert found.covariance == pytest.approx(np.tile(found.noise / 4, (count, 1, 1)))


def test_runs_that_agree_exactly_are_believed() -> None:
    values = np.repeat(np.random.default_rng(6).standard_normal((8, 2)), 2, axis=0)
    found = posterior(values, np.repeat(np.arange(8), 2))
    assert found.mean == pytest.approx(found.raw, abs=1e-3)
    assert (found.deviation < 1e-3).all()


@pytest.mark.parametrize("spread", [0.1, 0.5, 2.0])
def test_intervals_hold_the_truth(spread: float) -> None:
    generator = np.random.default_rng(7)
    held = []
    for _ in range(60):
        truth = spread * generator.standard_normal((24, 2))
        low, high = posterior(*runs_of(truth, 2, generator)).interval()
        held.append(((low < truth) & (truth < high)).mean())
    assert np.mean(held) > 0.92


def test_intervals_widen_where_few_runs_showed_noise() -> None:
    generator = np.random.default_rng(8)
    truth = generator.standard_normal((10, 2))
    values, _ = runs_of(truth, 2, generator)
    few = posterior(np.concatenate([values[::2], values[1:2]]), np.array([*range(10), 0]))
    low, high = few.interval()
    assert few.freedom == 1
    assert ((high - low) > 10 * few.deviation).all()


def test_further_runs_take_away_what_they_will() -> None:
    generator = np.random.default_rng(9)
    found = posterior(*runs_of(np.zeros((5, 2)), 2, generator))
    further = np.array([0, 1, 2, 3, 4])
    after = found.expecting(further)
    precision = np.linalg.inv(found.covariance) + further[:, None, None] * np.linalg.inv(
        found.noise
    )
    assert after.covariance == pytest.approx(np.linalg.inv(precision))
    assert after.runs.tolist() == [2, 3, 4, 5, 6]
    assert after.mean is found.mean


def test_draws_have_the_posteriors_moments() -> None:
    generator = np.random.default_rng(10)
    found = posterior(*runs_of(generator.standard_normal((6, 2)), 2, generator))
    drawn = found.draws(20_000, generator, noise_is_known=True)
    assert drawn.mean(0) == pytest.approx(found.mean, abs=0.02)
    for place in range(6):
        assert np.cov(drawn[:, place].T) == pytest.approx(found.covariance[place], abs=0.02)


@pytest.mark.parametrize("replicated", [1, 6])
def test_draws_reach_as_far_as_the_intervals(replicated: int) -> None:
    generator = np.random.default_rng(11)
    values = generator.standard_normal((6 + replicated, 2))
    found = posterior(values, np.array([*range(6), *range(replicated)]))
    assert found.freedom == replicated
    drawn = found.draws(20_000, generator)
    for level in (0.5, 0.95):
        low, high = found.interval(level)
        within = ((drawn >= low) & (drawn <= high)).mean((0, 1))
        assert within == pytest.approx([level, level], abs=0.015)
    assert np.isfinite(np.exp(drawn)).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_units_and_order_do_not_matter(seed: int, scale: float, shift: float) -> None:
    generator = np.random.default_rng(seed)
    values, owners = runs_of(generator.standard_normal((12, 2)), 2, generator)
    found = posterior(values, owners)
    other = posterior(values[::-1] * scale + shift, 11 - owners[::-1])
    assert other.mean[::-1] == pytest.approx(found.mean * scale + shift, abs=1e-4 * (1 + scale))
    assert other.covariance[::-1] == pytest.approx(found.covariance * scale**2, rel=1e-3)
