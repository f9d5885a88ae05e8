import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import Calibration, InputError, Score, bootstrap_intervals, score_embeddings
from objectives.consistency import utility
from objectives.noise_floor import NoiseFloor, noise_floor
from objectives.pairwise import Classes, sampling_variance

from . import oracle


def _alike(classes: int, samples: int, *, width: float = 1.0, spread: float = 0.0) -> Score:
    """Gaussian classes in 16 dimensions, their widths from 1 - spread to 1 + spread."""
    generator = torch.Generator().manual_seed(classes + samples)
    centres = torch.nn.functional.normalize(torch.randn(classes, 1, 16, generator=generator))
    centres = torch.nn.functional.normalize(centres, dim=2)
    widths = width * (1 + spread * (2 * torch.rand(classes, 1, 1, generator=generator) - 1))
    noise = torch.randn(classes, samples, 16, generator=generator)
    embeddings = (centres + widths / 4 * noise).flatten(0, 1)
    return score_embeddings(embeddings, torch.arange(classes).repeat_interleave(samples))


def _random(seed: int, sizes: list[int]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    centres = torch.randn(len(sizes), 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
    return centres[labels] + 0.7 * noise, labels


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=3, max_size=6), seed=st.integers(0, 10**6))
def test_floor_is_that_of_the_oracle(sizes: list[int], seed: int) -> None:
    embeddings, labels = _random(seed, sizes)
    got = score_embeddings(embeddings, labels, Calibration(d_min=0.4, d_max=1.4))
    wanted = oracle.score(embeddings, labels, span=(0.4, 1.4))
    counted = [row for row, name in enumerate(wanted.classes) if sizes[name] >= 4]
    assert got.noise.left_out == sum(2 <= size < 4 for size in sizes)
    if len(counted) < 2:
        assert got.noise.classes == 0
        assert math.isnan(got.opis_floor)
        assert math.isnan(got.opis_corrected)
        return
    distance, names = oracle.distances(embeddings), labels.tolist()
    ascending = [float(d) for d in wanted.thresholds]
    variance = np.array(
        [
            [oracle.sampling_variance(distance, wanted.classes[row], names, d) for d in ascending]
            for row in counted
        ]
    )
    floor = oracle.floor(wanted.frr[counted], wanted.far[counted], variance, wanted.thresholds)
    plain = oracle.opis(wanted.utility[counted], wanted.thresholds)
    assert got.noise.classes == len(counted)
    assert got.opis_floor == pytest.approx(floor, rel=1e-6, abs=1e-9)
    assert got.opis_corrected == pytest.approx(plain - floor, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("samples", "width"), [(4, 1.0), (4, 1.5), (6, 1.0), (15, 1.2)])
def test_classes_that_are_alike_have_nothing_left(samples: int, width: float) -> None:
    """OPIS itself, less nothing, is at least ten times the bound."""
    score = _alike(1200, samples, width=width)
    assert abs(score.opis_corrected) < 0.1 * score.opis
    low, high = bootstrap_intervals(score, resamples=10)["opis_floor"]
    assert low < score.opis < high


@pytest.mark.parametrize("samples", [4, 8])
def test_classes_that_differ_keep_what_they_differ_by(samples: int) -> None:
    truth = _alike(200, 40, spread=0.6).opis_corrected
    score = _alike(1200, samples, spread=0.6)
    assert score.opis - truth > 4 * abs(score.opis_corrected - truth)
    assert score.opis_corrected > 0.7 * truth


def test_few_samples_are_told_from_many() -> None:
    few, many = _alike(300, 4), _alike(300, 40)
    assert few.opis_floor > 20 * many.opis_floor > 0


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of 60 sets of 50 alike classes, about 57 intervals hold 0; those of OPIS none."""
    noise, held = _alike(3000, 5, width=1.2).noise, 0
    for values in noise.corrected.split(50):
        error = float(values.std()) / math.sqrt(50)
        held += abs(float(values.mean())) <= 2.01 * error
    assert held >= 52


def test_parts_are_how_the_mean_changes_with_each_class() -> None:
    """A class counted once more moves the mean by its part, as in an interval by t."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(120, 6, generator=generator) + 1.0
    labels = torch.arange(120) // 5
    score = score_embeddings(embeddings, labels, Calibration(d_min=0.5, d_max=1.2))
    variance = sampling_variance(embeddings, Classes.of(labels), score.thresholds, least=4)
    spread = torch.linspace(0.6, 1.4, 24, dtype=torch.float64)[:, None]
    frr = (score.frr * spread).clamp(0, 1)  # classes that differ, and some that do not
    far = score.far.mean(0).expand_as(frr)
    many = torch.arange(24).repeat(200)

    def at(rows: Tensor) -> NoiseFloor:
        curves = utility(far[rows], frr[rows])
        return noise_floor(curves, far[rows], frr[rows], variance[rows], score.thresholds)

    before = at(many)
    for row in range(0, 24, 5):
        after = at(torch.cat([many, torch.tensor([row])]))
        for name in ("floors", "corrected"):
            old, new = getattr(before, name), getattr(after, name)
            moved = float(new.mean() - old.mean()) * len(new)
            assert moved == pytest.approx(float(old[row] - old.mean()), rel=0.02, abs=2e-5), name


@pytest.mark.parametrize("mean", ["classes", "pooled"])
def test_floor_and_corrected_add_up(mean: str) -> None:
    embeddings, labels = _random(4, [5, 6, 4, 9, 5])
    score = score_embeddings(embeddings, labels, Calibration(mean=mean))  # type: ignore[arg-type]
    assert score.opis_floor + score.opis_corrected == pytest.approx(score.opis, rel=1e-9)


def test_small_classes_are_left_out_of_the_corrected_value_alone() -> None:
    embeddings, labels = _random(5, [6, 6, 6, 3, 2, 2, 1])
    score = score_embeddings(embeddings, labels, Calibration(d_min=0.4, d_max=1.4))
    assert (score.noise.classes, score.noise.left_out, score.singletons) == (3, 3, 1)
    large = score.utility[:3]
    assert score.opis_floor + score.opis_corrected == pytest.approx(
        oracle.opis(large.numpy(), score.thresholds.numpy()), rel=1e-9
    )
    assert score.opis == pytest.approx(
        oracle.opis(score.utility.numpy(), score.thresholds.numpy()), rel=1e-9
    )
    at_least = Calibration(d_min=0.4, d_max=1.4, min_samples_per_class=7)
    fewer = score_embeddings(embeddings, labels, at_least)
    assert (fewer.noise.classes, fewer.noise.left_out, fewer.opis) == (0, 6, score.opis)
    assert not {"opis_floor", "opis_corrected"} & set(fewer.metrics())


def test_queries_need_two_of_them_and_two_in_the_gallery() -> None:
    embeddings, labels = _random(6, [4, 4, 6, 6])
    asks = torch.tensor([1, 1, 0, 0, 1, 0, 0, 0, *[1, 1, 0, 0, 0, 0], *[1, 1, 1, 1, 0, 0]]).bool()
    noise = score_embeddings(embeddings, labels, queries=asks).noise
    assert (noise.classes, noise.left_out) == (3, 1)


def test_sets_without_a_range_have_no_floor() -> None:
    score = score_embeddings(torch.randn(6, 3), torch.zeros(6, dtype=torch.int64))
    assert (score.noise.classes, score.noise.left_out) == (0, 0)
    assert math.isnan(score.opis_floor)
    intervals = bootstrap_intervals(score, resamples=1)
    assert all(math.isnan(end) for end in intervals["opis_corrected"])


def test_what_does_not_vary_has_no_noise() -> None:
    """Classes far apart, all of whose pairs are accepted; and classes at one point."""
    apart = torch.eye(8).repeat_interleave(5, 0) + 0.01 * torch.randn(40, 8)
    for embeddings in (apart, torch.ones(40, 8)):
        score = score_embeddings(embeddings, torch.arange(40) // 5)
        assert score.opis_floor == pytest.approx(0, abs=1e-15)
        assert score.opis_corrected == pytest.approx(score.opis, abs=1e-15)


@pytest.mark.parametrize("least", [3, 0, -1])
def test_fewer_samples_than_four_are_refused(least: int) -> None:
    with pytest.raises(InputError, match=rf"^min_samples_per_class \({least}\) must be at least 4"):
        Calibration(min_samples_per_class=least)
