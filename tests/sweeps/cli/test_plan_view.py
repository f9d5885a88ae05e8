from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from sweeps.cli.plan_view import duration, plan_table, size
from sweeps.search import Suggestion, SweepPlan
from sweeps.spec import Forecast, Resources

FORECAST = Forecast(
    trial={"epochs": 1000, "step_seconds": 0.25, "model": {"backbone": "a[b]", "frozen": True}},
    data={
        "name": "birds",
        "fingerprint": "0123456789abcdef",
        "decoded_bytes": 5_000_000_000,
        "train": {"images": 100, "classes": 10},
    },
    seconds=90.0,
    memory=1_500_000_000,
)


def shown(**changes: Any) -> list[str]:
    fields: dict[str, Any] = {
        "sweep": "demo",
        "sampler": "tpe",
        "trials": 20,
        "controls": 2,
        "runs": 24,
        "baselines": ("raw pixels", "untouched trunk"),
        "first": (Suggestion(number=2, seed=0, config={}, sampled={"loss": "x"}, control=True),),
        "resources": Resources(cpu=1),
        "cpus": 4,
        "at_once": 4,
        "forecast": FORECAST,
    }
    out = StringIO()
    Console(file=out, width=120).print(plan_table(SweepPlan(**fields | changes)))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_each_thing_has_a_line() -> None:
    assert shown() == [
        "demo: a dry run, nothing is trained",
        "trials 20 sampled (tpe), and 2 controls; 24 training runs in all",
        "baselines raw pixels, untouched trunk",
        "a trial epochs 1 000, step 0.25 seconds",
        "model backbone a[b], frozen True",
        "data name birds, fingerprint 0123456789ab, decoded 5.0 GB",
        "train images 100, classes 10",
        "time about 90 seconds a run, 4 at a time: about 9.0 minutes",
        "memory about 1.5 GB a trial, 6.0 GB at a time",
        "machine 4 CPUs, 0 GPUs; a trial holds 1 CPUs and 0 GPUs",
        "trial 2 (control) loss=x",
    ]


def test_what_is_not_known_says_why() -> None:
    lines = shown(forecast=Forecast(unknown="no GPU"), baselines=())
    assert "time not known: no GPU" in lines
    assert "memory not known: no GPU" in lines
    assert "baselines none" in lines
    once = shown(forecast=replace(FORECAST, once=600.0))
    assert (
        "time about 90 seconds a run, 4 at a time, and 10.0 minutes once: about 19.0 minutes"
        in once
    )
    assert "trials 20 sampled (tpe), and 1 control; 24 training runs in all" in shown(controls=1)
    elsewhere = shown(at_once=None)
    assert any("how many fit at a time is not known here" in line for line in elsewhere)
    assert "memory about 1.5 GB a trial" in elsewhere


def test_a_machine_that_is_too_small() -> None:
    lines = shown(lacking=("a trial asks for 9 CPUs", "and for 2 GPUs"), at_once=None)
    assert "too small a trial asks for 9 CPUs; and for 2 GPUs" in lines
    assert "time about 90 seconds a run on this machine, where none fits" in lines


@pytest.mark.parametrize(("gpu", "held"), [(0.25, "0.25 GPUs"), ("auto", "what it needs of a GPU")])
def test_what_a_trial_holds_of_a_gpu(gpu: Any, held: str) -> None:
    assert f"machine 4 CPUs, 0 GPUs; a trial holds 2 CPUs and {held}" in shown(
        resources=Resources(cpu=2, gpu=gpu)
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01234, "0.0123 seconds"),
        (119, "119 seconds"),
        (120, "2.0 minutes"),
        (7_200, "2.0 hours"),
        (200_000, "2.3 days"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0 kB"), (1_500, "1.5 kB"), (2e6, "2.0 MB"), (91e9, "91.0 GB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text
