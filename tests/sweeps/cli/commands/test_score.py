import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import rich.progress
import torch

import sweeps.files
from objectives import bootstrap_intervals, score_embeddings
from sweeps.embeddings import Embeddings, per_class_csv
from tests.sweeps.command import Command

KEYS = [
    *("recall_at_1", "opis", "opis_floor", "opis_corrected", "opis_10", "map_at_r"),
    *("d_min", "d_max", "operating_threshold", "operating_far", "operating_frr"),
]
RECALLS = ["recall_at_2", "recall_at_4", "recall_at_8"]
COUNTS = ["samples", "classes", "single_sample_classes", "corrected_classes", "small_classes"]
NAMES = ["cat", "dog", "eel, $grey$"]


def samples(*, per_class: int = 6, singles: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.concatenate([np.repeat(NAMES, per_class), [f"x{n}" for n in range(singles)]])
    centres = np.concatenate([np.repeat(np.eye(3), per_class, axis=0), np.ones((singles, 3))])
    return centres + random.normal(size=centres.shape) / 2, labels


def saved(folder: Path, embeddings: Any, labels: Any) -> Path:
    path = folder / "embeddings.npz"
    np.savez(path, embeddings=embeddings, labels=labels)
    return path


def found(command: Command, *arguments: object, said: str = "") -> dict[str, Any]:
    ran = command("score", *arguments, "--json")
    assert (ran.code, ran.err) == (0, said)
    document: dict[str, Any] = json.loads(ran.out)
    return document


def test_json(command: Command, here: Path) -> None:
    embeddings, labels = samples(singles=2)
    document = found(command, saved(here, embeddings, labels))
    assert list(document) == [KEYS[0], *RECALLS, *KEYS[1:], *COUNTS, "noise", "intervals"]
    assert all(isinstance(document[key], float) for key in [*KEYS, *RECALLS])
    assert [document[key] for key in COUNTS] == [20, 5, 2, 3, 0]
    recalls = [document[key] for key in ["recall_at_1", *RECALLS]]
    assert recalls == sorted(recalls)
    numbered = np.unique(labels, return_inverse=True)[1]
    assert found(command, saved(here, embeddings, numbered)) == document


def test_intervals(command: Command, here: Path) -> None:
    embeddings, labels = samples()
    intervals = found(command, saved(here, embeddings, labels))["intervals"]
    numbers = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    score = score_embeddings(torch.from_numpy(embeddings), numbers)
    assert intervals == {key: list(ends) for key, ends in bootstrap_intervals(score).items()}
    assert set(intervals) == {"recall_at_1", "opis", "opis_floor", "opis_corrected"}
    assert all(-1 <= low < high <= 1 for low, high in intervals.values())


def test_every_kind_of_file_scores_alike(command: Command, here: Path) -> None:
    embeddings, labels = samples()
    document = found(command, saved(here, embeddings, labels))
    np.save("e.npy", embeddings)
    np.save("l.npy", labels)
    assert found(command, "e.npy", "l.npy") == document
    columns = {"features": list(embeddings), "kind": labels.tolist()}
    parquet.write_table(pyarrow.table(columns), "e.parquet")
    options = ("--embedding-column", "features", "--label-column", "kind")
    assert found(command, "e.parquet", *options) == document


def test_table(command: Command, here: Path) -> None:
    ran = command("score", saved(here, *samples()))
    assert (ran.code, ran.err) == (0, "")
    for key in (*KEYS, *RECALLS):
        assert re.search(rf"{key} +│ +[\d.e-]+ │", ran.out)
    for key in ("recall_at_1", "opis", "opis_floor", "opis_corrected"):
        assert re.search(rf"│ {key} .*│ [\d.e-]+ to [\d.e-]+ +│", ran.out)
    assert ran.out.endswith(
        "18 samples of 3 classes; intervals: over classes\n"
        "opis_corrected: over 3 classes of 4 samples or more\n"
        "half of opis or more is its noise floor: so few samples a class give it, however alike "
        "the classes are\n"
    )
    ran = command("score", saved(here, *samples(singles=2)))
    assert (
        "20 samples of 5 classes (2 with one sample only, a miss in Recall@k); intervals: "
        in ran.out
    )


def test_noise_is_told_where_it_is_half_of_opis(command: Command, here: Path) -> None:
    """Classes that are alike, of four samples; and some that are not, of thirty."""
    random = np.random.default_rng(0)
    for per_class, spread, told in ((4, 0.0, True), (30, 0.8, False)):
        labels = np.repeat(np.arange(30), per_class)
        widths = 0.8 + spread * random.uniform(-0.6, 0.6, 30)
        noise = widths[labels, None] * random.normal(size=(len(labels), 8))
        path = saved(here, random.normal(size=(30, 8))[labels] + noise, labels)
        document = found(command, path)
        assert (document["noise"] is not None) == told
        assert (document["opis_floor"] > document["opis"] / 2) == told
        assert ("half of opis or more is its noise floor" in command("score", path).out) == told


def test_classes_that_are_too_small_are_left_out_and_counted(command: Command, here: Path) -> None:
    embeddings, labels = samples(per_class=4, singles=2)
    labels[-1] = labels[-2]  # a class of two
    path = saved(here, embeddings, labels)
    document = found(command, path)
    assert (document["corrected_classes"], document["small_classes"]) == (3, 1)
    ran = command("score", path)
    assert "opis_corrected: over 3 classes of 4 samples or more (1 with fewer left out)" in ran.out
    none = found(command, path, "--min-samples-per-class", "5")
    assert (none["corrected_classes"], none["small_classes"]) == (0, 4)
    assert none["opis_floor"] is none["opis_corrected"] is none["noise"] is None
    assert none["intervals"]["opis_corrected"] == [None, None]
    assert none["opis"] == document["opis"]
    ran = command("score", path, "--min-samples-per-class", "5")
    assert "no opis_corrected: its floor takes two classes of 5 samples or more\n" in ran.out
    ran = command("score", path, "--min-samples-per-class", "3")
    assert (ran.code, ran.err) == (2, "error: --min-samples-per-class (3) must be at least 4\n")


def test_queries_against_a_gallery(command: Command, here: Path) -> None:
    embeddings, labels = samples(singles=3)
    queries = np.arange(21) % 2 == 0  # the singles' are two queries and one of the gallery
    np.savez("e.npz", embeddings=embeddings, labels=labels, asked=queries)
    document = found(command, "e.npz", "--query-column", "asked")
    assert document != found(command, "e.npz")
    numbers = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    score = score_embeddings(
        torch.from_numpy(embeddings), numbers, queries=torch.from_numpy(queries)
    )
    assert {key: document[key] for key in KEYS} == score.metrics()
    assert document["recall_at_4"] == score.recall_at(4)
    counts = {"queries": 11, "gallery": 10, "classes": 6, "unpaired_classes": 3}
    assert counts.items() <= document.items()
    intervals = {key: list(ends) for key, ends in bootstrap_intervals(score).items()}
    assert document["intervals"] == intervals
    columns = {"embedding": list(embeddings), "label": labels.tolist(), "q": queries.astype(int)}
    parquet.write_table(pyarrow.table(columns), "e.parquet")
    assert found(command, "e.parquet", "--query-column", "q") == document
    ran = command("score", "e.npz", "--query-column", "asked", "--per-class", "classes.csv")
    assert (
        "11 queries against a gallery of 10 (2 of classes that it lacks, a miss in Recall@k), "
        "6 classes; intervals: " in ran.out
    )
    rows = list(csv.DictReader(io.StringIO((here / "classes.csv").read_text())))
    assert [row["samples"] for row in rows] == ["3", "3", "3"]


def test_queries_of_one_class_have_nulls(command: Command, here: Path) -> None:
    rows = np.arange(12).reshape(4, 3) + 1.0
    path = here / "e.npz"
    np.savez(path, embeddings=rows, labels=[4, 4, 4, 4], q=[0, 1, 0, 1])
    said = (
        "note: what is nan needs two classes or more, and a query and a gallery sample of one "
        "class\n"
    )
    document = found(command, path, "--query-column", "q", said=said)
    assert (document["recall_at_1"], document["opis"]) == (1.0, None)


def test_nothing_but_queries(command: Command, here: Path) -> None:
    rows = np.ones((4, 3))
    np.savez(here / "e.npz", embeddings=rows, labels=[4, 4, 5, 5], q=np.ones(4, bool))
    ran = command("score", "e.npz", "--query-column", "q")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ("error: e.npz: queries: all 4 samples are queries, so there is no gallery\n")


def test_the_range_is_the_options(command: Command, here: Path) -> None:
    path = saved(here, *samples())
    usual = found(command, path)
    assert found(command, path, "--far-max", "0.3")["d_max"] > usual["d_max"]
    assert found(command, path, "--far-min", "0.05")["d_min"] > usual["d_min"]
    higher = found(command, path, "--operating-far", "0.3")
    assert higher["operating_threshold"] > usual["operating_threshold"]
    given = found(command, path, "--d-min", "0.5", "--d-max", "1.25")
    assert (given["d_min"], given["d_max"]) == (0.5, 1.25)
    finer = found(command, path, "--thresholds", "1001")
    assert finer["opis"] == pytest.approx(usual["opis"], rel=0.1)
    assert finer["opis"] != usual["opis"]


def test_options_are_named(command: Command, here: Path) -> None:
    ran = command("score", saved(here, *samples()), "--d-min", "1.5", "--d-max", "1.0")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: --d-min (1.5) and --d-max (1.0) must satisfy")


def test_one_class_has_nulls_and_files_all_the_same(command: Command, here: Path) -> None:
    said = "note: what is nan needs two classes or more, and two samples or more of one class\n"
    path = saved(here, np.arange(12).reshape(4, 3) + 1.0, [4, 4, 4, 4])
    files = ("--per-class", "classes.csv", "--plot", "curves.png")
    document = found(command, path, *files, said=said)
    assert document["recall_at_1"] == 1.0
    assert document["opis"] is document["opis_10"] is document["d_min"] is document["d_max"] is None
    [row] = csv.DictReader(io.StringIO((here / "classes.csv").read_text()))
    assert (row["label"], row["samples"], row["utility"]) == ("4", "4", "nan")
    assert (here / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_embeddings_that_cannot_be_scored_leave_no_file(command: Command, here: Path) -> None:
    path = saved(here, np.zeros((4, 3)), [0, 0, 1, 1])
    ran = command("score", path, "--per-class", "a.csv", "--plot", "a.png")
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"error: \S+embeddings\.npz: [^\n]+\n", ran.err)
    assert [file.name for file in here.iterdir()] == ["embeddings.npz"]


# --per-class


def test_per_class(command: Command, here: Path) -> None:
    embeddings, labels = samples(singles=1)
    path = saved(here, embeddings, labels)
    ran = command("score", path, "--per-class", "classes.csv")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("  csv  classes.csv\n")
    rows = list(csv.DictReader(io.StringIO((here / "classes.csv").read_text())))
    assert list(rows[0]) == [
        *("label", "samples", "recall_at_1", "far", "frr", "utility", "deviation", "opis")
    ]
    assert [row["label"] for row in rows] == NAMES  # the single one has no pair to judge
    assert [row["samples"] for row in rows] == ["6", "6", "6"]
    numbered = np.unique(labels, return_inverse=True)[1]
    score = score_embeddings(torch.from_numpy(embeddings), torch.from_numpy(numbered))
    for name, column in score.per_class().items():
        if name != "label":
            assert [float(row[name]) for row in rows] == column.tolist()
    assert np.mean([float(row["opis"]) for row in rows]) == pytest.approx(score.opis)


def test_per_class_rates_are_those_at_the_operating_threshold(command: Command, here: Path) -> None:
    embeddings, labels = samples()
    document = found(command, saved(here, embeddings, labels), "--per-class", "classes.csv")
    reach = document["operating_threshold"]
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for row in csv.DictReader(io.StringIO((here / "classes.csv").read_text())):
        counts = {True: [0, 0], False: [0, 0]}
        for i in range(len(labels)):
            for j in range(i):
                if row["label"] in (labels[i], labels[j]):
                    near = float(np.linalg.norm(unit[i] - unit[j])) <= reach
                    counts[bool(labels[i] == labels[j])][near] += 1
        (far_misses, hits), (rejected, accepted) = counts[True], counts[False]
        assert float(row["frr"]) == pytest.approx(far_misses / (far_misses + hits))
        assert float(row["far"]) == pytest.approx(accepted / (accepted + rejected))


def test_per_class_of_integers_is_in_their_order() -> None:
    embeddings, _ = samples()
    labels = torch.tensor([10] * 6 + [-3] * 6 + [9] * 6)
    read = Embeddings(embeddings=torch.from_numpy(embeddings), labels=labels, class_names=None)
    text = per_class_csv(score_embeddings(read.embeddings, read.labels), read)
    assert [line.split(",")[0] for line in text.splitlines()] == ["label", "-3", "9", "10"]


def test_what_was_there_stays_when_the_new_cannot_be_written(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeps.files, "write_whole", full)
    (here / "classes.csv").write_text("old")
    ran = command("score", saved(here, *samples()), "--per-class", "classes.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: --per-class: classes.csv cannot be written (No space left on device)\n"
    )
    assert (here / "classes.csv").read_text() == "old"


# --plot


def test_plot(command: Command, here: Path) -> None:
    path = saved(here, *samples())
    for name, start in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")):
        ran = command("score", path, "--plot", name)
        assert (ran.code, ran.err) == (0, "")
        assert name in ran.out
        assert (here / name).read_bytes().startswith(start)


# Progress


def test_a_terminal_sees_the_progress(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: dict[str, list[float]] = {}

    class Bar:
        def __init__(self, *_: object, disable: bool, **__: object) -> None:
            self.disabled = disable

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def add_task(self, what: str, total: float) -> str:
            assert (self.disabled, total) == (True, 1.0)  # no terminal here
            return what

        def update(self, what: str, completed: float) -> None:
            shares.setdefault(what, []).append(completed)

    monkeypatch.setattr(rich.progress, "Progress", Bar)
    found(command, saved(here, *samples()))
    assert list(shares) == ["reading", "scoring"]
    for told in shares.values():
        assert told == sorted(told)
        assert told[-1] == 1.0
