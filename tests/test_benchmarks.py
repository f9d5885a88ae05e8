"""That the benchmarks run and write what they say; their timings are no tests."""

import json
import math
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import (
    actors,
    allocations,
    cached_step,
    confirmed,
    front,
    gpu,
    listing,
    mlflow_faults,
    noise_floor,
    retrained,
    scoring,
    seed_noise,
    short_runs,
)
from benchmarks.results import Comparison, publish, time_each
from objectives import objective_pair, score_embeddings
from sweeps import Home, SweepSpec, TrialState
from sweeps.store import Store
from trainer import DataConfig, load_data
from trainer.data.dataset import TensorImages
from trainer.data.folder import list_folder
from trainer.data.table import list_table


def test_scoring_compares_every_peer() -> None:
    tiny = scoring._Set(samples=1200, classes=200, dim=16, rounds=1, memory=1024)
    rows = scoring.compare(tiny)
    assert str(tiny) == "1 200 x 16, 200 classes"
    assert [row.peer.split(",")[0] for row in rows] == [
        "bare X @ X.T",
        "faiss",
        "pytorch-metric-learning",
        "bare X @ X.T",
        "bar",
    ]
    assert all(row.theirs > 0 for row in rows)


def test_peers_of_scoring_agree_on_recall() -> None:
    embeddings, labels = scoring._Set(samples=1200, classes=200, dim=16).make()
    wanted = score_embeddings(embeddings, labels).recall_at_1
    assert scoring._faiss(embeddings, labels) == pytest.approx(wanted, abs=1e-12)


def test_listing_makes_what_it_lists(tmp_path: Path) -> None:
    folder = listing.make(tmp_path / "here", 450)
    of_table = partial(list_table, path_column="path", label_column="label")
    reads = [
        partial(list_folder, folder / "images"),
        *(partial(of_table, folder / f"tables/table.{kind}") for kind in ("csv", "parquet")),
    ]
    assert {(len(read().items), len(read().class_names)) for read in reads} == {(450, 9)}
    assert len({listing.before_decoding(read) for read in reads}) == 1


def test_listing_is_held_to_its_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_apart", lambda _: (3.0, 2.0))
    rows = listing.compare(tmp_path, 500_000)
    assert [(row.ours, row.theirs, row.bar) for row in rows[:2]] == [(2, 30, 1), (3, 1024, 1)]
    assert rows[-1].work == "500 000 images, class folders"
    assert len(rows) == 7


def test_a_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="needs a CUDA device, and this machine has none"):
        gpu.main()


def test_steps_are_compared_with_a_bare_loop() -> None:
    tiny = gpu._Work(
        backbone="test_resnet",
        batch_size=16,
        size=32,
        stored=40,
        classes=8,
        images=4,
        device="cpu",
        rounds=1,
    )
    plain, cropped = gpu.steps(tiny)
    assert plain.work.startswith("step: test_resnet, 32 px, B = 16, augmentation none (")
    assert cropped.work.startswith("step: test_resnet, 32 px, B = 16, augmentation standard (")
    assert plain.theirs == cropped.theirs > 0
    assert gpu._train(tiny, 1, Barrier(1), 0) > 0


def test_a_cached_step_is_compared_with_the_same_in_memory(tmp_path: Path) -> None:
    work = cached_step.photographs(tmp_path / "made", 160, image_size=32, batch_size=8)
    rows = cached_step.steps(work, tmp_path / "cache", rounds=1, count=2)
    assert [(row.work.split()[-1], row.bar) for row in rows] == [("raw", 1.05), ("JPEG", None)]
    assert all(row.ours > 0 < row.theirs for row in rows)
    data = load_data(work.data, cache=tmp_path / "cache")
    held = cached_step.in_memory(data).dataset.images
    assert isinstance(held, TensorImages)
    assert held.pixels.shape == (160, 3, 37, 49)
    box = torch.tensor([[3, 5, 30, 40]])
    some = torch.tensor([77])
    assert torch.equal(held.crops(some, box), data.dataset.images.crops(some, box))


def test_a_cached_step_takes_a_folder(tmp_path: Path) -> None:
    for number in range(12 * 3):
        file = tmp_path / f"icons/{number % 12}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 0, 0)).save(file)
    work = cached_step.class_folders(tmp_path / "icons", image_size=16, batch_size=8)
    assert len(cached_step.steps(work, tmp_path / "cache", rounds=1, count=1)) == 2
    Image.new("RGB", (16, 20)).save(tmp_path / "icons/0/0.png")
    with pytest.raises(SystemExit, match="unlike shapes"):
        cached_step.steps(work, tmp_path / "cache", rounds=1, count=1)


def test_short_runs_take_the_time_from_the_first_to_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(99))

    def run_sweep(spec: SweepSpec, *, home: Home, tracking_uri: str | None) -> None:
        assert tracking_uri is None
        assert (spec.budget.trials, spec.budget.max_concurrent) == (2, 2)
        assert spec.trial == {"wait": 1.0, "last_epoch": 1}
        with Store.open(home.store_url, clock=lambda: next(moments)) as store:
            store.create_sweep("short", spec={}, provenance={})
            for number in range(3):
                store.add_trial("short", number, config={}, sampled={}, control=number == 0)
            for number in (1, 0, 2):
                store.finish_trial("short", number, TrialState.COMPLETE)

    monkeypatch.setattr(short_runs, "run_sweep", run_sweep)
    row = short_runs.measure(1.0, 3)
    assert (row.work, row.ours) == ("3 runs of 1 s, 2 at a time", 5.0)
    assert (row.theirs, row.bar) == (1.5, 1.1)


def test_rounds_of_the_noise_floor_are_held_to_the_truth() -> None:
    kind = noise_floor.Kind(width=1.0, spread=0.6)
    rounds = [kind.once(5, seed) for seed in range(3)]
    assert all(0 < one.corrected < one.by_slopes < one.opis for one in rounds)
    middle = sorted(one.corrected for one in rounds)[1]
    row = noise_floor.measure("some, unlike", 5, middle, rounds)
    assert row.bias == pytest.approx((row.corrected - row.truth) / row.opis)
    assert row.coverage == 1.0
    assert row.missed == ""
    assert noise_floor.measure("some, alike", 5, 0.0, rounds).missed == "bias, coverage"
    none = noise_floor.measure("some, alike", 3, 0.0, [kind.once(3, 0)])
    assert none.missed == ""
    assert none.plain()["corrected"] is none.plain()["coverage"] is None
    assert noise_floor.table([row, none]).row_count == 2


def test_alike_classes_of_the_noise_floor_are_alike() -> None:
    kind = noise_floor.Kind(width=1.0)
    assert abs(kind.truth(samples=40, draws=1)) < 1e-4
    embeddings, labels = kind.draw(torch.zeros(2), 2000, seed=0)
    widths = [
        (embeddings[labels == i] - embeddings[labels == i].mean(0)).norm(dim=1) for i in (0, 1)
    ]
    assert float(widths[0].mean()) == pytest.approx(float(widths[1].mean()), rel=0.02)


def test_results_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = Comparison(work="work", ours=1.0, peer="peer", theirs=4.0, bar=0.5)
    publish("Title", [row], file=tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["comparisons"][0]["ratio"] == 0.25
    assert found["machine"]["threads"] >= 1
    assert "0.25" in capsys.readouterr().out


def test_works_take_turns() -> None:
    done: list[str] = []
    works = {name: (lambda name=name: done.append(name)) for name in "ab"}
    assert set(time_each(works, rounds=2)) == {"a", "b"}
    assert "".join(done) == "ab" * 3


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="what Linux says of a process")
def test_pages_of_the_cache_are_held_apart(tmp_path: Path) -> None:
    before = actors._held(os.getpid())
    for name, size in (("images.bin", 64), ("other", 8)):
        (tmp_path / name).write_bytes(b"1" * (size << 20))
    mapped = [np.memmap(tmp_path / name, mode="r") for name in ("images.bin", "other")]
    assert sum(int(each[::4096].sum()) for each in mapped) > 0  # every page has been read
    after = actors._held(os.getpid())
    assert after["cache"] - before["cache"] == pytest.approx(64, abs=0.1)
    assert 7.9 < after["Rss"] - before["Rss"] < 40
    assert after["Pss"] > after["Anonymous"] > 50


@pytest.mark.parametrize("way", front.WAYS)
def test_every_way_to_spend_runs_ends_in_a_front(way: str) -> None:
    false, area, expected = front.sweep(way, noise=0.1, seed=0)
    assert 0 <= false < 1
    assert abs(area) < 0.2
    assert math.isnan(expected) if way == "single runs" else expected >= 0


def test_single_runs_claim_too_much_and_ours_do_not() -> None:
    rows = {(row.work, row.peer): row for row in front.measure(0.2, rounds=12)}
    [false, area] = [row for (_, peer), row in rows.items() if peer == "single runs"]
    assert false.ours < 0.6 * false.theirs
    assert abs(area.ours) < 0.5 * area.theirs
    # A sweep knows about how many of its members are false.
    [said] = [row for (_, peer), row in rows.items() if peer.startswith("what the sweep says")]
    assert said.theirs == pytest.approx(said.ours, abs=10)


def test_gaps_to_the_other_verdict() -> None:
    # Two members; the third is dominated by the first, by 0.1; the last one by both, by 1.
    costs = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 1.3], [2.0, 2.0]])
    gaps = allocations.empirical_gaps(costs)
    assert gaps[2:] == pytest.approx([0.1, 1.0])
    # The first is in as long as the third, which it dominates by 0.1, is out.
    assert gaps[0] == pytest.approx(0.1)
    assert gaps[1] == pytest.approx(1.0)


def test_halving_goes_on_with_the_hardest() -> None:
    points = [(k, 10.0 - k) for k in range(0, 8, 2)] + [(0.1, 10.1), (9, 9), (9, 8), (8, 9)]
    runs = [[np.array(point, dtype=float)] for point in points]
    halving = allocations.SuccessiveHalving(24)
    first = [halving(runs) for _ in range(8)]
    assert {0, 4} < set(first)
    assert len(set(first)) == 4
    second = [halving(runs) for _ in range(8)]
    assert set(second) == {0, 4}


def test_the_least_rate_is_of_the_closest_call() -> None:
    points = [(0.0, 1.0), (1.0, 0.0), (0.01, 1.01), (3.0, 3.0)]
    runs = [[np.array(point)] * 5 for point in points]
    assert allocations.least_rate(runs) in (0, 2)
    runs[2] = runs[2] * 10
    assert allocations.least_rate(runs) == 0


def test_ways_to_measure_are_judged_over_seeds() -> None:
    objectives = objective_pair(("recall_at_1", "opis"), {})
    # Control and default, one loss, three seeds, both objectives; most of the noise is common.
    control = np.array([[0.8, 0.010], [0.9, 0.012], [0.85, 0.009]])
    default = control * [[1.01, 0.5], [1.02, 0.45], [1.0, 0.55]]
    values = np.stack([control, default])[:, None]
    recall, opis = seed_noise._judged("a", values, objectives, seconds=30.0)
    assert recall.difference > 0 > opis.difference
    halves = np.log([0.5, 0.45, 0.55])
    assert opis.difference == pytest.approx(halves.mean())
    assert opis.common == pytest.approx(halves.std(ddof=1))
    variances = [np.log(each[:, 1]).var(ddof=1) for each in (control, default)]
    assert opis.deviation == pytest.approx(np.mean(variances) ** 0.5)
    assert opis.separate == pytest.approx(2**0.5 * opis.deviation)
    # Both runs take a minute together.
    sure = -opis.difference / opis.common
    assert opis.told == pytest.approx(sure)
    assert opis.error == pytest.approx(((1 + sure**2 / 2) / 3) ** 0.5)
    assert opis.control == pytest.approx(0.031 / 3)


def test_folds_take_turns_and_leave_test_classes_alone() -> None:
    data = load_data(DataConfig(name="glyphs"))
    labels = data.dataset.labels
    held = [seed_noise._folded(data, seed) for seed in range(4)]
    parts = [set(labels[each.validation].tolist()) for each in held]
    assert parts[0] == parts[3]
    assert not parts[0] & parts[1]
    seen = set(labels[data.train].tolist()) | set(labels[data.validation].tolist())
    for part, each in zip(parts, held, strict=True):
        assert part | set(labels[each.train].tolist()) == seen
        assert not part & set(labels[each.train].tolist())


def test_what_a_knee_keeps() -> None:
    def found(role: str, objective: str, gain: float, sure: int) -> confirmed.Confirmed:
        return confirmed.Confirmed(
            spec="demo",
            loss="smooth_ap",
            number=3,
            is_default=role == "none",
            role=role,
            objective=objective,
            mine=0.5,
            others=0.5,
            difference=gain,
            low=None if sure == 0 else 0.1,
            high=None if sure == 0 else 0.2,
            gain=gain,
            sure=sure,
        )

    control = [found("control", "recall_at_1", -0.01, 0), found("control", "opis", 0.001, 1)]
    default = [found("default", "recall_at_1", -0.1, -1), found("default", "opis", -0.001, 0)]
    assert confirmed._kept([*control, *default]) == {
        "better than the control in OPIS": True,
        "not worse than the control beyond noise": True,
        "not dominated by the default": False,
        "better than the default beyond noise": False,
        "the default itself": False,
    }
    # What has no pair keeps nothing, unless it is the default.
    assert not any(confirmed._kept([]).values())
    itself = replace(control[0], is_default=True)
    assert confirmed._kept([itself])["not dominated by the default"]
    assert not confirmed._kept([replace(control[0], sure=-1)])[
        "not worse than the control beyond noise"
    ]
    assert str(control[0]).endswith("difference -0.01 unknown")
    assert str(control[1]).endswith("difference +0.001 [+0.1, +0.2]")


@pytest.mark.parametrize(
    ("fresh", "error", "holds", "agrees"),
    [
        (0.53, 0.0, True, True),
        (0.56, 0.0, False, False),
        (0.56, 0.01, False, False),
        (0.56, 0.02, False, True),
        (0.45, 0.02, False, True),
        (0.38, 0.02, False, False),
    ],
)
def test_a_claim_is_held_against_fresh_seeds(
    fresh: float, error: float, holds: bool, agrees: bool
) -> None:
    claim = retrained.Claim(
        sweep=0,
        number=1,
        knee=False,
        objective="recall_at_1",
        claimed=0.5,
        low=0.46,
        high=0.55,
        fresh=fresh,
        error=error,
        too_good=0.0,
        searched=0.0,
    )
    assert (claim.holds, claim.agrees) == (holds, agrees)


def test_a_server_at_fault_answers_late_and_with_an_error() -> None:
    with mlflow_faults.server(0.05) as url:
        started = time.monotonic()
        connection = HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/api")
        assert connection.getresponse().status == 500
        assert time.monotonic() - started >= 0.05
