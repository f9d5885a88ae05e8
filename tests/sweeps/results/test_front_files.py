import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.results import (
    RankedTrials,
    front_document,
    hypervolume_curve,
    rank_trials,
    write_front,
)

from .records import MEASUREMENTS, PAIR, TRIALS, baseline, measured, trial


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


def test_what_is_attained_is_drawn_where_noise_is_known(
    front: RankedTrials, tmp_path: Path
) -> None:
    again = [replace(each, seed=1) for each in MEASUREMENTS[:1]]
    known = rank_trials("demo", PAIR, TRIALS, [*MEASUREMENTS, *again])
    pages = [write_front(each, tmp_path / name)[2] for name, each in (("a", front), ("b", known))]
    assert ["attained, 95 %" in page.read_text() for page in pages] == [False, True]


def test_baselines_are_in_every_file(tmp_path: Path) -> None:
    held = [baseline(0, "raw <pixels>", 0.7, 0.004), baseline(1, "untouched trunk", None)]
    paths = write_front(rank_trials("demo", PAIR, TRIALS, MEASUREMENTS, held), tmp_path)
    document = json.loads(paths[0].read_text())
    assert document["undertrained"] is None
    assert document["baselines"] == [
        {
            "name": "raw_<pixels>",
            "label": "raw <pixels>",
            "fields": {},
            "values": {"recall_at_1": 0.7, "opis": 0.004},
            "reason": None,
        },
        {
            "name": "untouched_trunk",
            "label": "untouched trunk",
            "fields": {},
            "values": None,
            "reason": "no weights",
        },
    ]
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert [row["baseline"] for row in rows] == ["", "", "", "", "raw_<pixels>"]
    assert [rows[-1][name] for name in ("number", "recall_at_1", "opis")] == ["", "0.7", "0.004"]
    page = paths[2].read_text()
    assert "raw &lt;pixels&gt;" in page[page.rindex("Plotly.newPlot(") :].replace("\\u0026", "&")


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
    assert paths[1].read_text().startswith("number,control,default,rank,")
    assert "no finished trial yet" in paths[2].read_text()


def test_one_trial(tmp_path: Path) -> None:
    front = rank_trials("demo", PAIR, [trial(0)], [measured(0, 0.0, 0.0)])
    assert front.knee is None  # it is no better than the reference
    assert len(write_front(front, tmp_path)) == 4
