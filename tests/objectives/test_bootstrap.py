import math

import numpy as np
import pytest
import torch

from objectives import Calibration, Score, bootstrap_intervals, score_embeddings


def _score(
    classes: int = 30, seed: int = 0, *, mean: str = "classes", singletons: int = 0
) -> Score:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat_interleave(4)
    labels = torch.cat([labels, 1000 + torch.arange(singletons)])
    widths = (0.3 + torch.rand(len(labels) // 4 + singletons, generator=generator))[:classes]
    noise = torch.randn(len(labels), 8, generator=generator)
    noise[: 4 * classes] *= widths.repeat_interleave(4)[:, None]
    centres = torch.randn(classes + singletons, 8, generator=generator)
    places = torch.cat(
        [torch.arange(classes).repeat_interleave(4), classes + torch.arange(singletons)]
    )
    return score_embeddings(centres[places] + noise, labels, Calibration(mean=mean))  # type: ignore[arg-type]


def test_every_draw_is_the_score_of_the_drawn_classes() -> None:
    """One resample, redone by hand from the same draws."""
    score = _score(singletons=5)
    picks = torch.randint(35, (1, 35), generator=torch.Generator().manual_seed(3))[0].numpy()
    got = bootstrap_intervals(score, resamples=1, seed=3)
    drawn = [pick for pick in picks if pick < 30]
    curves = np.stack([score.utility[pick].numpy() for pick in drawn])
    thresholds = score.thresholds.numpy()
    square = ((curves - curves.mean(0)) ** 2).mean(0) * 30 / 29
    opis = np.trapezoid(square, thresholds) / (thresholds[-1] - thresholds[0])
    recall = sum(int(score.hits[pick]) for pick in drawn) / (4 * len(drawn) + 35 - len(drawn))
    assert got["opis"] == pytest.approx((opis, opis), rel=1e-10)
    assert got["recall_at_1"] == pytest.approx((recall, recall), rel=1e-12)


def test_pooled_mean_stays_where_it_is() -> None:
    score = _score(mean="pooled")
    picks = torch.randint(30, (1, 30), generator=torch.Generator().manual_seed(0))[0]
    wanted = float(score.per_class()["opis"][picks].mean())
    got = bootstrap_intervals(score, resamples=1)["opis"]
    assert got == pytest.approx((wanted, wanted), rel=1e-10)


def test_intervals_hold_the_score_and_narrow_with_classes() -> None:
    few, many = _score(20), _score(2000)
    widths = []
    for score in (few, many):
        intervals = bootstrap_intervals(score)
        for name in ("recall_at_1", "opis"):
            low, high = intervals[name]
            assert low < getattr(score, name) < high
        widths.append(intervals["opis"][1] / intervals["opis"][0])
    assert widths[1] < 1 + (widths[0] - 1) / 3


def test_covers_what_other_classes_give() -> None:
    """Of 40 draws of 60 classes, about 38 intervals hold the OPIS of very many classes."""
    truth = _score(4000, 99)
    held = sum(
        low <= truth.opis <= high
        for low, high in (
            bootstrap_intervals(_score(60, seed), resamples=400)["opis"] for seed in range(40)
        )
    )
    assert held >= 32


def test_seed_and_level() -> None:
    score = _score()
    assert bootstrap_intervals(score) == bootstrap_intervals(score)
    assert bootstrap_intervals(score) != bootstrap_intervals(score, seed=1)
    wide, narrow = (bootstrap_intervals(score, level=level)["opis"] for level in (0.99, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_what_is_nan_stays_nan() -> None:
    score = score_embeddings(torch.randn(6, 3), torch.arange(6))
    got = bootstrap_intervals(score)
    assert got["recall_at_1"] == (0.0, 0.0)
    assert all(math.isnan(end) for end in got["opis"])


def test_a_draw_of_singletons_alone_has_no_opis() -> None:
    score = _score(3, singletons=1)
    low, high = bootstrap_intervals(score)["opis"]
    assert 0 <= low < high


@pytest.mark.parametrize(
    ("options", "message"),
    [({"level": 0.0}, "level"), ({"level": 1.0}, "level"), ({"resamples": 0}, "resamples")],
)
def test_bad_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{message} \("):
        bootstrap_intervals(_score(), **options)  # type: ignore[arg-type]
