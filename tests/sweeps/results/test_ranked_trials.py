import csv
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path

import pytest

from objectives import Objective, get_objective, hypervolume
from sweeps.results import (
    RankedTrials,
    front_document,
    hypervolume_curve,
    rank_trials,
    write_front,
)
from sweeps.results.plots.layout import axes_of, staircase
from sweeps.store import MeasurementRecord, TrialRecord, TrialState

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = (get_objective("recall_at_1"), get_objective("opis"))


def trial(
    number: int,
    state: TrialState = TrialState.COMPLETE,
    *,
    control: bool = False,
    minutes: float | None = None,
) -> TrialRecord:
    return TrialRecord(
        number=number,
        config={"margin_positive": 0.9, "loss": "smooth_ap", "seed": 0},
        sampled={"margin_positive": 0.9, "loss": "smooth_ap"},
        control=control,
        state=state,
        reason=None,
        started_at=START,
        finished_at=START + timedelta(minutes=number if minutes is None else minutes),
    )


def measured(
    number: int, recall: float, opis: float, *, epoch: int = 2, seed: int = 0, split="validation"
) -> MeasurementRecord:
    return MeasurementRecord(
        number=number,
        epoch=epoch,
        seed=seed,
        split=split,
        metrics={"recall_at_1": recall, "opis": opis, "extra": 7.0},
        recorded_at=START,
    )


# 0 and 1 and 3 are the front, 2 is dominated by 1, 3 is a control.
TRIALS = [trial(0), trial(1), trial(2), trial(3, control=True)]
MEASUREMENTS = [
    measured(0, 0.60, 0.001),
    measured(1, 0.80, 0.002),
    measured(2, 0.75, 0.003),
    measured(3, 0.85, 0.010),
]


@pytest.fixture
def front() -> RankedTrials:
    return rank_trials("demo", PAIR, TRIALS, MEASUREMENTS)


def test_rows_are_ordered_by_rank_then_best_first_objective(front: RankedTrials) -> None:
    assert [(row.number, row.rank) for row in front.trials] == [(3, 0), (1, 0), (0, 0), (2, 1)]
    assert [row.number for row in front.front] == [3, 1, 0]
    assert [row.number for row in front.controls] == [3]


def test_a_first_objective_to_be_minimised_puts_the_smallest_first() -> None:
    front = rank_trials("demo", (PAIR[1], PAIR[0]), TRIALS, MEASUREMENTS)
    assert [row.number for row in front.front] == [0, 1, 3]


def test_hypervolume_knee_and_contributions(front: RankedTrials) -> None:
    # Rectangles towards recall 0 and OPIS 0.25.
    area = 0.60 * 0.249 + 0.20 * 0.248 + 0.05 * 0.240
    assert front.hypervolume == pytest.approx(area)
    assert front.knee == 1
    alone = {row.number: row.hypervolume_contribution for row in front.trials}
    # Trial 2 dominates a part of what 1 does.
    only_1 = 0.2 * 0.008 - 0.15 * 0.007
    assert alone == pytest.approx({0: 0.6 * 0.001, 1: only_1, 2: 0.0, 3: 0.05 * 0.24})


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.COMPLETE])
def test_only_complete_trials_stand_on_a_front(state: TrialState) -> None:
    trials = [trial(0), trial(1, state)]
    front = rank_trials("demo", PAIR, trials, [measured(0, 0.5, 0.1), measured(1, 0.9, 0.0)])
    assert [row.number for row in front.trials] == [0]


def test_trials_without_a_value_for_both_objectives_are_left_out() -> None:
    half = replace(measured(1, 0.9, 0.0), metrics={"recall_at_1": 0.9})
    tested = measured(2, 0.9, 0.0, split="test")
    front = rank_trials(
        "demo", PAIR, [trial(n) for n in range(4)], [measured(0, 0.5, 0.1), half, tested]
    )
    assert [row.number for row in front.trials] == [0]


def test_value_is_that_of_the_highest_validation_epoch_as_mean_over_seeds() -> None:
    measurements = [
        measured(0, 0.5, 0.01, epoch=3, seed=1),
        measured(0, 0.9, 0.00, epoch=1),
        measured(0, 0.7, 0.03, epoch=3, seed=0),
        measured(0, 0.9, 0.00, epoch=2, seed=2),
        measured(0, 0.1, 0.20, epoch=9, split="test"),
    ]
    for order in (measurements, measurements[::-1]):
        (row,) = rank_trials("demo", PAIR, [trial(0)], order).trials
        assert row.values == pytest.approx({"recall_at_1": 0.6, "opis": 0.02, "extra": 7.0})


def test_hypervolume_curve_follows_the_order_of_finishing() -> None:
    trials = [trial(0, minutes=9), trial(1, minutes=1), trial(2, minutes=5), trial(3, minutes=2)]
    points = [[m.metrics["recall_at_1"], m.metrics["opis"]] for m in MEASUREMENTS]
    order = [points[n] for n in (1, 3, 2, 0)]
    expected = [hypervolume(order[: k + 1], PAIR) for k in range(4)]
    curve = hypervolume_curve(PAIR, trials, MEASUREMENTS)
    assert curve == pytest.approx(expected)
    assert curve == sorted(curve)
    assert curve[-1] == rank_trials("demo", PAIR, trials, MEASUREMENTS).hypervolume


def test_files_hold_the_front(front: RankedTrials, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = write_front(front, folder)
    names = ["front.json", "front.csv", "front.html", "front.png"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)

    document = json.loads(paths[0].read_text())
    assert document == front_document(front)
    assert document["split"] == "validation"
    assert document["trials"][0]["number"] == 3

    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert [row["number"] for row in rows] == ["3", "1", "0", "2"]
    assert float(rows[1]["opis"]) == 0.002
    assert rows[1]["loss"] == "smooth_ap"

    assert paths[3].read_bytes().startswith(b"\x89PNG")


def test_page_needs_no_network_and_tells_what_was_sampled(
    front: RankedTrials, tmp_path: Path
) -> None:
    page = write_front(front, tmp_path)[2].read_text()
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)
    data = page[page.rindex("Plotly.newPlot(") :]
    assert "margin_positive = 0.9" in data
    assert "control 3" in data
    assert "Recall@1 (higher is better)" in data


def test_names_are_escaped_in_the_page(front: RankedTrials, tmp_path: Path) -> None:
    page = write_front(replace(front, sweep="<b>$x_1$"), tmp_path)[2].read_text()
    assert "<title>&lt;b&gt;$x_1$: front</title>" in page


def test_existing_files_are_replaced_whole_or_not_at_all(
    front: RankedTrials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_front(front, tmp_path)
    before = [path.read_bytes() for path in paths]

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_front(replace(front, sweep="other"), tmp_path)
    assert [path.read_bytes() for path in paths] == before
    assert len(list(tmp_path.iterdir())) == 4


def test_no_trial_yet(tmp_path: Path) -> None:
    front = rank_trials("demo", PAIR, [], [])
    assert (front.trials, front.hypervolume, front.knee) == ((), 0.0, None)
    assert hypervolume_curve(PAIR, [], []) == []
    paths = write_front(front, tmp_path)
    assert paths[1].read_text().startswith("number,control,rank,")
    assert "no finished trial yet" in paths[2].read_text()


def test_one_trial(tmp_path: Path) -> None:
    front = rank_trials("demo", PAIR, [trial(0)], [measured(0, 0.0, 0.0)])
    assert front.knee == 0
    assert len(write_front(front, tmp_path)) == 4


@pytest.mark.parametrize(("first", "second"), [*product(["maximize", "minimize"], repeat=2)])
def test_staircase_bounds_what_the_front_attains(first: str, second: str) -> None:
    pair = tuple(
        Objective(
            name=name, direction=direction, label=name, aspect=name, ideal=0.0, reference=worst
        )
        for name, direction, worst in (
            ("recall_at_1", first, 0.0 if first == "maximize" else 1.0),
            ("opis", second, 0.0 if second == "maximize" else 1.0),
        )
    )
    places = [(0.2, 0.3), (0.5, 0.6), (0.8, 0.8), (0.3, 0.9), (0.9, 0.2), (0.6, 0.4)]
    front = rank_trials(
        "demo",
        pair,
        [trial(n) for n in range(len(places))],
        [measured(n, *place) for n, place in enumerate(places)],
    )
    x, y = axes_of(front)
    xs, ys = staircase(front, x, y)
    corners = list(zip(xs, ys, strict=True))
    # Every step runs along an axis, and no corner is better than every member in some way.
    for (x0, y0), (x1, y1) in pairwise(corners):
        assert x0 == x1 or y0 == y1
    for cx, cy in corners:
        assert any(
            x.objective.sign * (cx - x.place(row)) >= 0
            and y.objective.sign * (cy - y.place(row)) >= 0
            for row in front.front
        )
    for row in front.front:
        assert (x.place(row), y.place(row)) in corners
    assert xs[0] == x.worst_edge
    assert ys[-1] == y.worst_edge


def test_small_values_are_shown_times_a_power_of_ten(front: RankedTrials) -> None:
    x, y = axes_of(front)
    assert x.title == "Recall@1 (higher is better)"
    assert y.title == "OPIS \N{MULTIPLICATION SIGN} 10² (lower is better)"
    assert [y.place(row) for row in front.front] == pytest.approx([1.0, 0.2, 0.1])
