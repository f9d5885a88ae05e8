from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from objectives import InputError, get_objective
from sweeps.results import (
    KNEE,
    RankedTrials,
    pick_trial,
    picks,
    rank_trials,
    write_margins,
)
from sweeps.results.tuned_margins import margins_of
from sweeps.spec.metric_learning import workload
from sweeps.store import (
    MeasurementRecord,
    Purpose,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)
from trainer import TrialConfig, TunedMargins, load_tuned_margins, read_tuned_margins

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = (replace(get_objective("recall_at_1"), tolerance=None), get_objective("opis"))
# number -> recall, opis; 0 and 1 are controls, 2 the knee, 5 is dominated.
POINTS = {0: (0.8, 0.05), 1: (0.5, 0.06), 2: (0.9, 0.01), 3: (0.95, 0.05), 4: (0.3, 0.005)}
POINTS |= {5: (0.2, 0.2)}
SWEEP = SweepRecord(
    name="demo",
    spec={"data": {"name": "digits"}, "scoring": {"operating_far": 0.05}},
    provenance={"data": {"fingerprint": "abc", "train_classes": 5}, "versions": {"torch": "2"}},
    state=SweepState.COMPLETE,
    created_at=START,
    finished_at=START,
)


def trial(number: int) -> TrialRecord:
    control = number < 2
    weights = {"weight_positive": 0.0, "weight_negative": 0.0} if control else {}
    loss = "arcface" if number == 1 else "triplet_margin"
    config = TrialConfig(loss=loss, margin_positive=0.6 + number / 100, **weights)
    return TrialRecord(
        number=number,
        config=config.model_dump(),
        sampled={},
        control=control,
        state=TrialState.COMPLETE,
        reason=None,
        started_at=START,
        finished_at=START,
    )


def measurement(number: int, **changes: Any) -> MeasurementRecord:
    recall, opis = POINTS[number]
    metrics = {"recall_at_1": recall, "opis": opis, "d_min": 0.5, "d_max": 0.9}
    fields: dict[str, Any] = {
        "number": number,
        "epoch": 3,
        "seed": 0,
        "split": "validation",
        "metrics": metrics | {"operating_threshold": 0.8},
        "recorded_at": START,
    }
    return MeasurementRecord(**fields | changes)


MEASUREMENTS = tuple(measurement(number) for number in POINTS)


def front(
    measurements: tuple[MeasurementRecord, ...] = MEASUREMENTS,
    trials: tuple[int, ...] = tuple(POINTS),
) -> RankedTrials:
    records = [trial(number) for number in trials]
    return rank_trials("demo", PAIR, records, measurements, workload=workload)


def fresh(number: int, *recalls: float) -> tuple[MeasurementRecord, ...]:
    """Return what a trial measured under fresh seeds, with OPIS a tenth of what is missed."""
    metrics = measurement(number).metrics
    return tuple(
        measurement(
            number,
            seed=100 + k,
            purpose=Purpose.REPORT,
            metrics={**metrics, "recall_at_1": recall, "opis": (1 - recall) / 10},
        )
        for k, recall in enumerate(recalls)
    )


def export(pick: str = KNEE, *, force: bool = False, **changes: Any) -> TunedMargins:
    measurements = changes.pop("measurements", MEASUREMENTS)
    ranked = front(measurements, **changes)
    margins = margins_of(SWEEP, ranked, measurements, pick=pick, force=force)
    assert isinstance(margins, TunedMargins)
    return margins


@pytest.mark.parametrize(
    ("pick", "number"),
    [("knee", 2), ("recall", 3), ("recall_at_1", 3), ("consistency", 4), ("opis", 4), ("0", 0)],
)
def test_pick(pick: str, number: int) -> None:
    assert pick_trial(front(), pick).number == number
    assert pick in picks(PAIR) or pick.isdigit()


def test_what_cannot_be_picked() -> None:
    with pytest.raises(InputError) as raised:
        pick_trial(front(), "accuracy")
    assert str(raised.value) == (
        "pick: 'accuracy' is not one of knee, recall, recall_at_1, consistency, opis, "
        "nor a trial's number"
    )
    with pytest.raises(InputError, match=r"^pick: trial 99 of demo has not completed$"):
        pick_trial(front(), "99")
    with pytest.raises(InputError, match=r"^demo: no trial has completed, so there is nothing"):
        pick_trial(front(trials=()), "knee")


def test_what_is_exported() -> None:
    margins = export()
    assert (margins.sweep, margins.trial, margins.pick, margins.split) == (
        "demo",
        2,
        "knee",
        "validation",
    )
    assert margins.config == TrialConfig.model_validate(trial(2).config)
    assert (margins.loss, margins.margin_positive, margins.margin_negative) == (
        "triplet_margin",
        0.62,
        0.5,
    )
    assert margins.metrics == measurement(2).metrics
    assert margins.operating_point.distance == 0.8
    assert margins.operating_point.cosine_similarity == pytest.approx(1 - 0.8**2 / 2)
    assert margins.operating_point.far == 0.05
    assert margins.data.fingerprint == "abc"
    assert margins.data.source == {"name": "digits"}
    assert margins.provenance["front_trials"] == [3, 2, 4]
    assert margins.provenance["completed_trials"] == 6
    assert margins.provenance["versions"] == {"torch": "2"}


def test_it_is_compared_with_its_control_under_equal_fresh_seeds() -> None:
    # Trial 0 is trial 2 with TCM weight 0, but for margins that then mean nothing.
    measurements = (*MEASUREMENTS, *fresh(2, 0.9, 0.92, 0.7), *fresh(0, 0.8, 0.81))
    margins = export(measurements=measurements)
    control = margins.control
    assert control is not None
    assert (control.trial, control.seeds, control.split) == (0, (100, 101), "validation")
    assert control.tuned["recall_at_1"] == pytest.approx(0.91)
    assert control.metrics["recall_at_1"] == pytest.approx(0.805)
    difference = control.difference["recall_at_1"]
    assert difference.value == pytest.approx(0.105)
    assert difference.low is not None
    assert 0.03 < difference.low < 0.105
    assert (margins.default, margins.unproven) == (None, None)
    # All its runs say what it scores; what it was picked by is the first one alone.
    assert margins.seeds == (0, 100, 101, 102)
    assert margins.metrics["recall_at_1"] == pytest.approx((0.9 + 0.9 + 0.92 + 0.7) / 4)


def test_runs_that_did_not_end_are_compared_with_nothing() -> None:
    def ended(number: int, last: int | None) -> TrialRecord:
        return replace(trial(number), last_epoch=last)

    measurements = (*MEASUREMENTS, *fresh(2, 0.9, 0.92), *fresh(0, 0.8, 0.81))
    for last, found in ((3, True), (4, False), (None, True)):
        records = [ended(number, last) for number in POINTS]
        ranked = rank_trials("demo", PAIR, records, measurements, workload=workload)
        assert (2 in ranked.pairs) is found


def test_nothing_is_compared_that_had_no_seed_in_common() -> None:
    assert export().control is None
    assert export(measurements=(*MEASUREMENTS, *fresh(2, 0.9))).control is None
    # Trial 1 is the control of another loss.
    assert export(measurements=(*MEASUREMENTS, *fresh(2, 0.9), *fresh(1, 0.5))).control is None


def test_what_noise_explains_is_exported_by_force_alone() -> None:
    measurements = (*MEASUREMENTS, *fresh(2, 0.9, 0.8), *fresh(0, 0.8, 0.9))
    said = r"noise explains what trial 2 gains over its control \(difference in Recall@1 \+0 ± "
    with pytest.raises(InputError, match=f"^demo: {said}"):
        export(measurements=measurements)
    with pytest.raises(
        InputError, match=r"; `sweeps confirm` tries it under more seeds; force exp"
    ):
        export(measurements=measurements)
    better = (*measurements, *fresh(3, 0.95, 0.94))
    with pytest.raises(
        InputError, match=r"seeds; of the front, noise does not explain trial 3; fo"
    ):
        export(
            measurements=(*MEASUREMENTS, *fresh(2, 0.8, 0.81), *fresh(0, 0.8, 0.81), *better[-2:])
        )
    margins = export(measurements=measurements, force=True)
    assert margins.unproven is not None
    assert margins.unproven.endswith("under 2 fresh seeds)")


def test_the_last_epoch_and_its_seeds_count() -> None:
    better = {**measurement(2).metrics, "recall_at_1": 0.94}
    measurements = (
        *MEASUREMENTS,
        measurement(2, epoch=4, seed=0, metrics=better),
        measurement(2, epoch=4, seed=7, metrics=better | {"recall_at_1": 0.92}),
        measurement(2, epoch=9, seed=1, split="test"),
    )
    margins = export(measurements=measurements)
    assert (margins.trial, margins.epoch, margins.seeds) == (2, 4, (0, 7))
    assert margins.metrics["d_min"] == 0.5
    # Of the objectives the estimate, which lies between the mean over both seeds and the others.
    assert 0.92 < margins.metrics["recall_at_1"] < 0.93


def test_the_file_reads_back_and_trains(tmp_path: Path) -> None:
    path = tmp_path / "margins.yaml"
    write_margins(export(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["margins.yaml"]
    assert read_tuned_margins(path) == export()
    head = list(yaml.safe_load(path.read_text()))
    assert head[:6] == ["format", "sweep", "trial", "pick", "loss", "margin_positive"]
    loss = load_tuned_margins(path)
    embeddings = torch.nn.functional.normalize(torch.randn(8, 4), dim=1).requires_grad_()
    value = loss(embeddings, torch.arange(4).repeat(2))
    value.backward()
    assert torch.isfinite(value)


def test_writing_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "margins.yaml"
    write_margins(export("knee"), path)
    write_margins(export("recall"), path)
    assert read_tuned_margins(path).trial == 3


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no/margins\.yaml: cannot be written \(No such file"):
        write_margins(export(), tmp_path / "no" / "margins.yaml")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder: cannot be written \(Is a directory\)"):
        write_margins(export(), tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]
