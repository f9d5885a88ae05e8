import math
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from objectives import get_objective
from sweeps.cli.tables import (
    confirmed_table,
    describe_sampled,
    format_value,
    front_table,
    metrics_table,
    objective_heading,
    status_table,
    sweeps_table,
)
from sweeps.results import ConfirmedFronts, rank_trials
from sweeps.store import (
    BaselineRecord,
    MeasurementRecord,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
PAIR = (replace(get_objective("recall_at_1"), tolerance=None), get_objective("opis"))


def shown(table: Table) -> str:
    out = StringIO()
    Console(file=out, width=200).print(table)
    return out.getvalue()


def row(text: str, beginning: str) -> list[str]:
    """Cells of the one line whose first cell is ``beginning``."""
    lines = [line.replace("│", " ").split() for line in text.splitlines()]
    [cells] = [line for line in lines if line and line[0] == beginning]
    return cells


def trial(number: int, **changes: Any) -> TrialRecord:
    margin = 0.6 + number / 100
    fields: dict[str, Any] = {
        "number": number,
        "config": {"loss": "arcface", "margin_positive": margin},
        "last_epoch": 4,
        "sampled": {"margin_positive": margin, "loss": "arcface"},
        "control": False,
        "state": TrialState.COMPLETE,
        "reason": None,
        "started_at": START,
        "finished_at": START,
    }
    return TrialRecord(**fields | changes)


def measurement(number: int, recall: float, opis: float, epoch: int = 4) -> MeasurementRecord:
    return MeasurementRecord(
        number=number,
        epoch=epoch,
        seed=0,
        split="validation",
        metrics={"recall_at_1": recall, "opis": opis},
        recorded_at=START,
    )


def sweep(name: str = "demo", **data: str) -> SweepRecord:
    return SweepRecord(
        name=name,
        spec={"data": data or {"name": "digits"}, "objectives": ["recall_at_1", "opis"]},
        provenance={},
        state=SweepState.RUNNING,
        created_at=START,
        finished_at=None,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.123456, "0.1235"), (1.0, "1"), (0.00001234, "1.234e-05"), (0.0, "0")],
)
def test_format_value(value: float | None, text: str) -> None:
    assert format_value(value) == text


def test_objective_heading_points_to_the_better_side() -> None:
    assert [objective_heading(objective) for objective in PAIR] == ["Recall@1 ↑", "OPIS ↓"]


def test_describe_sampled() -> None:
    sampled = {"loss": "arcface", "margin_positive": 0.87654321, "batch_size": 64, "flip": True}
    text = "loss=arcface margin_positive=0.8765 batch_size=64 flip=True"
    assert describe_sampled(sampled, control=False) == text
    assert describe_sampled(sampled, control=True) == f"(control) {text}"
    assert describe_sampled({}, control=True) == "(control)"


def test_front_table() -> None:
    front = rank_trials(
        "demo",
        PAIR,
        [trial(0, control=True, sampled={"loss": "arcface"}), trial(1), trial(2), trial(3)],
        [
            measurement(0, 0.95, 0.04),
            measurement(1, 0.9, 0.01),
            measurement(2, 0.7, 0.009),
            measurement(3, 0.6, 0.02),
        ],
    )
    members = shown(front_table(front, width=160))
    assert "demo: 3 of 4 finished trials on the front" in members
    assert row(members, "0") == ["0", "control", "0.95", "0.04", "arcface"]
    assert row(members, "1") == ["1", "knee", "0.9", "0.01", "arcface", "0.61"]
    assert row(members, "2") == ["2", "0.7", "0.009", "arcface", "0.62"]
    assert "0.02" not in members
    everything = shown(front_table(front, width=160, every_trial=True))
    assert row(everything, "1") == ["1", "knee", "0", "0.9", "0.01", "arcface", "0.61"]
    assert row(everything, "3") == ["3", "1", "0.6", "0.02", "arcface", "0.63"]


def test_baselines_stand_below_the_front() -> None:
    held = [
        BaselineRecord(
            number=number,
            split="validation",
            name=name,
            label=f"raw [{name}]",
            fields={},
            metrics=metrics,
            reason=None if metrics else "no weights",
            recorded_at=START,
        )
        for number, (name, metrics) in enumerate(
            {"pixels": {"recall_at_1": 0.25, "opis": 0.125}, "trunk": None}.items()
        )
    ]
    front = rank_trials("demo", PAIR, [trial(1)], [measurement(1, 0.9, 0.01)], held)
    for width in (30, 160):
        text = shown(front_table(front, width=width))
        assert row(text, "raw") == ["raw", "[pixels]", "0.25", "0.125"]
        assert "trunk" not in text
        everything = shown(front_table(front, width=width, every_trial=True))
        assert row(everything, "raw") == ["raw", "[pixels]", "0.25", "0.125"]


def test_confirmed_table() -> None:
    fronts = ConfirmedFronts(
        values={
            0: {"recall_at_1": 0.6, "opis": 0.004},
            1: {"recall_at_1": 0.7, "opis": 0.003},
            3: {"recall_at_1": 0.8, "opis": 0.006},
        },
        seeds={0: 5, 1: 4, 3: 5},
        optimistic=(3, 1),
        pessimistic=(3, 0),
        hypervolumes=(0.1, 0.2),
    )
    text = shown(confirmed_table(fronts, PAIR))
    assert row(text, "0") == ["0", "0.6", "0.004", "5", "pessimistic"]
    assert row(text, "1") == ["1", "0.7", "0.003", "4", "optimistic"]
    assert row(text, "3") == ["3", "0.8", "0.006", "5", "optimistic,", "pessimistic"]


def test_a_knee_may_be_a_control() -> None:
    front = rank_trials("demo", PAIR, [trial(1, control=True)], [measurement(1, 0.9, 0.01)])
    assert row(shown(front_table(front, width=160)), "1")[1:3] == ["knee", "control"]


def test_a_narrow_front_table_has_one_column_for_all_that_is_sampled() -> None:
    front = rank_trials("demo", PAIR, [trial(1)], [measurement(1, 0.9, 0.01)])
    cells = ["1", "knee", "0.9", "0.01"]
    # Order of the configuration in columns of their own, order of the space in one.
    assert row(shown(front_table(front, width=60)), "1") == [*cells, "arcface", "0.61"]
    narrow = row(shown(front_table(front, width=30)), "1")
    assert narrow == [*cells, "margin_positive=0.61", "loss=arcface"]


@pytest.mark.parametrize("width", [30, 160])
def test_sampled_texts_are_no_markup(width: int) -> None:
    sampled = {"loss": "[/x]"}
    front = rank_trials(
        "demo", PAIR, [trial(1, config=sampled, sampled=sampled)], [measurement(1, 0.9, 0.01)]
    )
    assert row(shown(front_table(front, width=width)), "1")[-1].endswith("[/x]")


def test_front_table_of_nothing() -> None:
    table = front_table(rank_trials("demo", PAIR, [], []), width=80)
    assert "demo: 0 of 0 finished trials" in shown(table)


def test_status_table() -> None:
    reason = "shape [3, 4] is [bold]not[/] what /[x] wants [/y]"
    trials = [
        trial(0, control=True),
        trial(1, state=TrialState.FAILED, reason=reason),
        trial(2, state=TrialState.RUNNING, last_epoch=None),
    ]
    text = shown(status_table(sweep(), trials, [measurement(0, 0.5, 0.1, epoch=3)]))
    assert "demo: RUNNING, created 2026-01-02 03:04 UTC" in text
    assert row(text, "0")[:4] == ["0", "COMPLETE", "3/4", "(control)"]
    said = ["1", "FAILED", "0/4", *reason.split()]
    assert row(text, "1")[: len(said)] == said
    assert "margin_positive=0.61" in row(text, "1")
    assert row(text, "2")[:3] == ["2", "RUNNING", "0/?"]


def test_sweeps_table() -> None:
    text = shown(
        sweeps_table([(sweep(), {"COMPLETE": 3, "FAILED": 1}), (sweep("b", folder="/a/[/b]"), {})])
    )
    assert row(text, "demo")[1:5] == ["RUNNING", "2026-01-02", "03:04", "digits"]
    assert "3 complete, 1 failed" in text
    assert "/a/[/b]" in row(text, "b")
    archived = replace(sweep("c"), archived_at=START)
    assert row(shown(sweeps_table([(archived, {})])), "c")[1:3] == ["RUNNING", "(archived)"]


def test_metrics_table() -> None:
    text = shown(metrics_table({"opis": 0.0123456, "recall_at_1": 1.0}))
    assert row(text, "opis") == ["opis", "0.01235"]
    assert row(text, "recall_at_1") == ["recall_at_1", "1"]


def test_metrics_table_with_intervals() -> None:
    table = metrics_table({"opis": 0.012, "a": 1.0, "b": math.nan}, {"opis": (0.01, 0.0234567)})
    text = shown(table)
    assert "95 % interval" in text
    assert row(text, "opis") == ["opis", "0.012", "0.01", "to", "0.02346"]
    assert row(text, "a") == ["a", "1"]
    assert row(text, "b") == ["b", "nan"]
