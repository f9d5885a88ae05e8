from typing import Any

import pytest

import sweeps.search.samplers
from sweeps.search import make_sampler


def test_tpe_heeds_pending_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(sweeps.search.samplers, "TPESampler", lambda **given: asked.update(given))
    make_sampler("tpe", seed=3)
    assert asked == {"seed": 3, "constant_liar": True}


def test_an_unknown_sampler() -> None:
    with pytest.raises(ValueError, match="'cmaes' is not one of tpe, nsgaii, random"):
        make_sampler("cmaes", seed=0)
