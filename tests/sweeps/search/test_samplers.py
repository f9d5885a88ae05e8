from typing import Any

import pytest

import sweeps.search.samplers
from sweeps.search import make_sampler


def test_tpe_heeds_pending_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(sweeps.search.samplers, "TPESampler", lambda **given: asked.update(given))
    make_sampler("tpe", seed=3)
    assert asked["constant_liar"] is True


def test_each_suggestion_has_its_own_part_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(sweeps.search.samplers, "RandomSampler", lambda *, seed: asked.append(seed))
    for seed, number in ((3, 0), (3, 1), (4, 0), (3, 1)):
        make_sampler("random", seed=seed, number=number)
    assert len({*asked[:3]}) == 3
    assert asked[3] == asked[1]


def test_an_unknown_sampler() -> None:
    with pytest.raises(ValueError, match="'cmaes' is not one of tpe, nsgaii, random"):
        make_sampler("cmaes", seed=0)
