import subprocess
import sys
from typing import Any

import pytest

from sweeps.spec.simulated import SimulatedConfig, SimulatedRun, true_values


def test_the_true_front_is_that_without_a_detour() -> None:
    places = [SimulatedConfig(trade=trade / 10) for trade in range(11)]
    values = [true_values(place) for place in places]
    assert values[0] == (1.0, 1.0)
    assert values[-1] == pytest.approx((0.0, 0.0))
    assert all(a**2 + (1 - b) ** 2 == pytest.approx(1) for a, b in values)
    accuracy, inconsistency = true_values(places[4].model_copy(update={"detour": 0.1}))
    assert (accuracy, inconsistency) == pytest.approx((values[4][0] - 0.1, values[4][1] + 0.1))


def test_training_halves_what_is_left() -> None:
    config = SimulatedConfig(learning=0.4, last_epoch=3)
    run = SimulatedRun(config)
    measured = [run.advance().metrics["accuracy"] for _ in range(3)]
    best = true_values(config)[0]
    assert measured == pytest.approx([best - 0.2, best - 0.1, best])


def test_the_noise_is_that_of_the_seed_and_the_epoch() -> None:
    def values(**changes: Any) -> list[float]:
        run = SimulatedRun(SimulatedConfig(learning=0, last_epoch=2, **changes))
        return [run.advance().metrics["accuracy"] for _ in range(2)]

    of_seed, of_epoch = values(seed_noise=0.1), values(epoch_noise=0.1)
    assert of_seed[0] == pytest.approx(of_seed[1])
    assert of_epoch[0] != pytest.approx(of_epoch[1])
    assert values(seed_noise=0.1) == of_seed
    assert values(seed_noise=0.1, seed=1)[0] != pytest.approx(of_seed[0])
    spread = [values(seed_noise=0.1, seed=seed)[0] for seed in range(2000)]
    mean = sum(spread) / len(spread)
    deviation = (sum((value - mean) ** 2 for value in spread) / len(spread)) ** 0.5
    assert mean == pytest.approx(true_values(SimulatedConfig())[0], abs=0.01)
    assert deviation == pytest.approx(0.1, abs=0.005)


def test_a_simulated_run_goes_on_from_its_state() -> None:
    config = SimulatedConfig(epoch_noise=0.1)
    run = SimulatedRun(config)
    run.advance()
    again = SimulatedRun(config)
    again.load_state_dict(run.state_dict())
    assert again.advance() == run.advance()


def test_a_simulated_spec_needs_no_torch() -> None:
    code = (
        "import sys; from sweeps.spec import load_workload; load_workload('simulated'); "
        "print([m for m in ('torch', 'timm') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
