"""Models that a sweep leaves of what it chose."""

from pathlib import Path

import pytest

from sweeps import Home, SweepSpec, open_store, run_sweep
from sweeps.home import kept_seeds, run_file
from sweeps.store import Purpose
from tests.sweeps.command import Command
from trainer import read_kept_weights, read_tuned_margins

# mlflow's own models use SQLAlchemy's noload strategy, deprecated since SQLAlchemy 2.1.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

FRESH = 1_000_000
SPEC = SweepSpec.model_validate(
    {
        "name": "small",
        "data": {"name": "digits"},
        "space": {"margin_positive": {"low": 0.5, "high": 0.99}},
        "trial": {
            "backbone": "test_efficientnet_gn",
            "embedding_dim": 16,
            "epochs": 1,
            "batch_size": 16,
        },
        "budget": {"trials": 2, "replicates": 2, "reports": 6},
    }
)


def test_of_what_was_chosen_the_model_of_a_seed_that_did_not_choose_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    home, margins = Home(path=tmp_path / "home"), tmp_path / "margins.yaml"
    run_sweep(SPEC, home=home)
    with open_store(home.store_url) as store:
        reports = [m for m in store.measurements("small") if m.purpose is Purpose.REPORT]
    under_first = {m.number: m for m in reports if m.seed == FRESH}
    assert {m.seed for m in reports} == {FRESH, FRESH + 1}
    folder = home.kept("small")
    assert sorted(folder.iterdir()) == sorted(
        run_file(folder, number=number, seed=FRESH) for number in under_first
    )
    for number, measured in under_first.items():
        assert kept_seeds(folder, number=number) == [FRESH]
        kept = read_kept_weights(run_file(folder, number=number, seed=FRESH))
        assert kept.metrics == measured.metrics

    number, measured = next(iter(under_first.items()))
    words = ("export", "small", "--pick", number, "--force", "--home", home.path, "-o", margins)
    ran = command(*words)
    assert ran.code == 0, ran
    assert "(the model of seed 1000000)" in ran.out
    exported = read_tuned_margins(margins)
    assert exported.weights == "margins-model.pt"
    point = exported.operating_point
    assert (point.split, point.of) == (
        "validation",
        "the weights of margins-model.pt (seed 1000000)",
    )
    assert point.distance == measured.metrics["operating_threshold"]
