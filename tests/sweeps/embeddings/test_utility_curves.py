import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from objectives import Calibration, Score, score_embeddings
from sweeps.embeddings import utility_plot


def scored(classes: int, *, calibration: Calibration | None = None) -> Score:
    generator = torch.Generator().manual_seed(classes)
    labels = torch.arange(classes).repeat_interleave(3)
    centres = torch.randn(classes, 8, generator=generator)
    embeddings = centres[labels] + 0.7 * torch.randn(len(labels), 8, generator=generator)
    return score_embeddings(embeddings, labels, calibration or Calibration())


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        drawn.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn


def curves(figure: Figure) -> list[list[list[float]]]:
    [ax] = figure.axes
    return [
        [segment[:, 1].tolist() for segment in collection.get_segments()]
        for collection in ax.collections
        if isinstance(collection, LineCollection)
    ]


def means(figure: Figure) -> dict[str, np.ndarray]:
    [ax] = figure.axes
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in ax.lines}


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 11, 150, 201, 1234])
def test_a_picture_of_any_number_of_classes(figures: list[Figure], classes: int) -> None:
    picture = utility_plot(scored(classes), title="a", file_format="png")
    assert Image.open(io.BytesIO(picture)).size == (1200, 900)
    [ax] = figures[0].axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("distance d", "utility U(d)")


def test_every_class_has_a_curve_and_the_worst_tenth_its_own_colour(figures: list[Figure]) -> None:
    score = scored(31)
    utility_plot(score, title="a", file_format="png")
    rest, worst = curves(figures[0])
    assert (len(rest), len(worst)) == (27, 4)
    assert sorted(rest + worst) == sorted(score.utility.tolist())
    assert max(np.mean(curve) for curve in worst) <= min(np.mean(curve) for curve in rest)
    drawn = means(figures[0])
    assert drawn["mean of all classes"] == pytest.approx(score.utility.mean(0).numpy())
    assert drawn["mean of the worst tenth"] == pytest.approx(np.mean(worst, axis=0))


def test_of_few_classes_one_is_the_worst(figures: list[Figure]) -> None:
    utility_plot(scored(4), title="a", file_format="png")
    assert [len(lines) for lines in curves(figures[0])] == [3, 1]
    assert {"worst class", "class", "mean of all classes"} <= means(figures[0]).keys()
    assert "mean of the worst tenth" not in means(figures[0])


def test_of_many_classes_few_have_a_curve_and_the_worst_is_among_them(
    figures: list[Figure],
) -> None:
    score = scored(1001)
    utility_plot(score, title="a", file_format="png")
    rest, worst = curves(figures[0])
    assert (len(rest), len(worst)) == (150, 17)  # every sixth of 900, and of 101
    assert {"class (one in 6)", "class of the worst tenth (one in 6)"} <= means(figures[0]).keys()
    lowest = min(score.utility.tolist(), key=np.mean)
    assert np.mean(lowest) == pytest.approx(min(map(np.mean, worst)))
    tenths = [line for line in figures[0].axes[0].lines if line.get_linewidth() == 1.3]
    assert len(tenths) == 9


def test_the_range_and_the_operating_threshold_are_marked(figures: list[Figure]) -> None:
    score = scored(9)
    utility_plot(score, title="my_$file$", file_format="png")
    [ax] = figures[0].axes
    texts = [text.get_text() for text in ax.texts]
    for name, place in (
        ("d_min", score.d_min),
        ("d_max", score.d_max),
        ("operating threshold", score.operating_threshold),
    ):
        assert f"{name} {place:.3f}" in texts
    assert f"Recall@1 {score.recall_at_1:.4g} · OPIS {score.opis:.4g} · 9 classes of" in texts[0]
    assert ax.get_title("left") == "my_$file$"
    low, high = ax.get_xlim()
    assert low < score.d_min < score.operating_threshold < score.d_max < high


def test_an_operating_threshold_beyond_the_range_does_not_widen_it(figures: list[Figure]) -> None:
    score = scored(9, calibration=Calibration(operating_far=0.5))
    utility_plot(score, title="a", file_format="png")
    [ax] = figures[0].axes
    assert ax.get_xlim()[1] < score.operating_threshold
    assert not any("operating" in text.get_text() for text in ax.texts[1:])
    assert f"operating threshold {score.operating_threshold:.3f}" in ax.texts[0].get_text()


def test_without_a_utility_it_says_so(figures: list[Figure]) -> None:
    score = scored(3)
    empty = replace(score, utility=torch.full_like(score.utility, torch.nan), d_min=torch.nan)
    utility_plot(empty, title="a", file_format="svg")
    utility_plot(scored(1), title="a", file_format="pdf")
    for figure in figures:
        assert "no class has a utility" in [text.get_text() for text in figure.axes[0].texts]
