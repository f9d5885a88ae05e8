from collections.abc import Mapping

import pytest

from objectives import get_objective
from sweeps.results import (
    RankedTrials,
    accuracy_of,
    certainty,
    front_document,
    rank_trials,
    undertrained,
)
from sweeps.store import BaselineRecord

from .records import MEASUREMENTS, PAIR, START, TRIALS, baseline, measured, trial

# Of a second run of each trial.
_VALUES = [(0.62, 0.0012), (0.78, 0.0021), (0.77, 0.0027), (0.83, 0.012)]


def ranked(
    *baselines: BaselineRecord, names: tuple[str, str] = ("recall_at_1", "opis")
) -> RankedTrials:
    pair = PAIR if names[0] == PAIR[0].name else PAIR[::-1]
    return rank_trials("demo", pair, TRIALS, MEASUREMENTS, baselines)


def test_the_accuracy_is_the_first_objective_to_be_maximised() -> None:
    for names, expected in (
        (("recall_at_1", "opis"), "recall_at_1"),
        (("opis", "recall_at_1"), "recall_at_1"),
    ):
        found = accuracy_of(ranked(names=names))
        assert found is not None
        assert found.name == expected
    assert accuracy_of(rank_trials("a", (PAIR[1], get_objective("opis_10")), [], [])) is None


# The best has 0.85 (trial 3), the knee 0.8 (trial 1).
@pytest.mark.parametrize("names", [("recall_at_1", "opis"), ("opis", "recall_at_1")])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"a": 0.79, "b": 0.2}, None),
        ({"a": 0.2, "b": 0.8}, "the knee does not beat b in Recall@1 (0.8; trial 1 has 0.8)"),
        ({"a": 0.84999}, "the knee does not beat a in Recall@1 (0.85; trial 1 has 0.8)"),
        ({"a": 0.85}, "no trial beats a in Recall@1 (0.85; trial 3 has 0.85)"),
        ({"a": 0.9, "b": 0.99}, "no trial beats b in Recall@1 (0.99; trial 3 has 0.85)"),
        ({}, None),
    ],
)
def test_undertrained(
    names: tuple[str, str], values: Mapping[str, float], said: str | None
) -> None:
    held = [baseline(n, name, recall) for n, (name, recall) in enumerate(values.items())]
    expected = said and f"undertrained: {said}, so OPIS says little"
    assert undertrained(ranked(*held, names=names)) == expected


def test_what_failed_or_is_of_another_split_is_no_bar() -> None:
    failed = baseline(0, "a", None)
    other = baseline(1, "b", 0.99, split="test")
    made = ranked(failed, other)
    assert made.baselines == (failed,)
    assert undertrained(made) is None


def test_without_a_trial_there_is_no_verdict() -> None:
    none = rank_trials("demo", PAIR, [], [], [baseline(0, "a", 0.9)])
    assert undertrained(none) is None
    assert none.baselines[0].recorded_at == START


def test_noise_that_is_known_is_told() -> None:
    assert certainty(rank_trials("demo", PAIR, [], [])) is None
    single = ranked()
    assert single.expected_false is None
    assert str(certainty(single)).startswith("one run a trial: this front is not told from noise")
    again = [measured(m.number, *two, seed=1) for m, two in zip(MEASUREMENTS, _VALUES, strict=True)]
    both = rank_trials("demo", PAIR, TRIALS, [*MEASUREMENTS, *again])
    chances = [trial.chance for trial in both.front]
    assert both.expected_false == pytest.approx(sum(1 - (chance or 0) for chance in chances))
    assert both.expected_false is not None
    assert 0 < both.expected_false < len(chances)
    said = f"by P(front), about {both.expected_false:.1f} of the {len(chances)} members are truly"
    assert said in str(certainty(both))
    band = front_document(both)["band"]
    assert list(band) == ["recall_at_1", "opis_best", "opis_worst"]
    assert len({len(values) for values in band.values()}) == 1
    assert band["opis_worst"][-1] is None
    assert front_document(single)["band"] is None


def test_where_no_trial_is_likely_the_likeliest_stands_for_the_others() -> None:
    alike = [trial(number) for number in range(12)]
    # Every difference between them is noise.
    runs = [
        measured(number, 0.8 + (-1) ** (number + seed) * 0.02, 0.004 + seed * 0.001, seed=seed)
        for number in range(12)
        for seed in (0, 1)
    ]
    made = rank_trials("demo", PAIR, alike, runs)
    [member] = made.front
    assert member.chance is not None
    assert member.chance < 0.5
    assert "no trial is rather on the front than not: the likeliest stands" in str(certainty(made))
