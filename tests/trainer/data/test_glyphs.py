import unicodedata
from collections import Counter

import numpy as np
import pytest
import torch

from trainer.data import DataConfig, Dataset, SplitDataset, load_data
from trainer.data.glyphs import FACES, MIN_FACES, load_glyphs
from trainer.data.outlines import Outline, merge_identical

from .pixels import pixels_of


@pytest.fixture(scope="module")
def split() -> SplitDataset:
    return load_data(DataConfig(name="glyphs"))


@pytest.fixture(scope="module")
def glyphs(split: SplitDataset) -> Dataset:
    return split.dataset


@pytest.fixture(scope="module")
def ink(glyphs: Dataset) -> np.ndarray:
    pixels = pixels_of(glyphs.images)
    return (1 - pixels.numpy().astype(np.float32) / 255)[:, 0]


def by_character(glyphs: Dataset) -> dict[str, int]:
    names = (name.split(maxsplit=1)[1] for name in glyphs.class_names)
    return {unicodedata.lookup(name): label for label, name in enumerate(names)}


def test_sizes(glyphs: Dataset) -> None:
    assert len(glyphs.class_names) == 608
    assert len(glyphs.items) == 9369
    assert (glyphs.images.channels, glyphs.image_size) == (1, 32)
    per_class = torch.bincount(glyphs.labels)
    assert len(per_class) == 608
    assert per_class.min() >= MIN_FACES
    assert per_class.max() == len(FACES)


def test_fingerprint_is_frozen(split: SplitDataset) -> None:
    assert split.fingerprint == "57c27e0ff941c38f72a4160a11c4341c13420ecb1717cb28602e75dff2ddd676"


def test_names(glyphs: Dataset) -> None:
    assert "U+0041 LATIN CAPITAL LETTER A" in glyphs.class_names
    for item, label in zip(glyphs.items, glyphs.labels.tolist(), strict=True):
        code, face = item.split("/")
        assert glyphs.class_names[label].split()[0] == code
        assert face in FACES


# Greek Alpha and omicron, Cyrillic A, o, Ve and er, hyphen, division slash, mu.
@pytest.mark.parametrize(
    "pair",
    [
        "A\u0391",
        "A\u0410",
        "o\u03bf",
        "o\u043e",
        "B\u0412",
        "p\u0440",
        "-\u2010",
        "/\u2215",
        "\u00b5\u03bc",
    ],
)
def test_identical_code_points_count_once(glyphs: Dataset, pair: str) -> None:
    assert sum(character in by_character(glyphs) for character in pair) == 1


@pytest.mark.parametrize("pair", ["oO", "cC", "0O", "69", "bd", "bp", "ZN", "lI", "!¡", "¹1"])
def test_characters_that_differ_stay(glyphs: Dataset, pair: str) -> None:
    assert all(character in by_character(glyphs) for character in pair)


def test_every_image_has_ink_and_none_is_clipped(ink: np.ndarray) -> None:
    assert ink.sum((1, 2)).min() > 4
    rim = np.concatenate([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], axis=1)
    # Half a pixel stays free along each edge.
    assert rim.max() < 0.6


def test_glyphs_are_upright_on_one_scale(glyphs: Dataset, ink: np.ndarray) -> None:
    number = by_character(glyphs)

    def rows(character: str) -> np.ndarray:
        return np.flatnonzero(ink[glyphs.labels.numpy() == number[character]].sum((0, 2)) > 1)

    # An L has its bar below; capital and small o share a baseline and differ in height.
    bar = ink[glyphs.labels.numpy() == number["L"]].sum((0, 2))
    assert bar[20:24].max() > 2 * bar[8:18].max()
    assert abs(rows("o").max() - rows("O").max()) <= 1
    assert rows("o").min() >= rows("O").min() + 4


def test_no_two_classes_look_identical(glyphs: Dataset, ink: np.ndarray) -> None:
    flat, labels = ink.reshape(len(ink), -1), glyphs.labels.numpy()
    faces = np.array([item.split("/")[1] for item in glyphs.items])
    alike: Counter[tuple[int, int]] = Counter()
    for face in FACES:
        of_face = np.flatnonzero(faces == face)
        x = flat[of_face]
        power = (x**2).sum(1)
        squares = np.maximum(power[:, None] + power - 2 * x @ x.T, 0)
        close = squares < 0.1**2 * np.maximum(power[:, None], power)
        for i, j in np.argwhere(np.triu(close, 1)):
            alike[labels[of_face[i]], labels[of_face[j]]] += 1
    having = [set(faces[labels == label]) for label in range(len(glyphs.class_names))]
    names = glyphs.class_names
    assert [
        (names[a], names[b], count)
        for (a, b), count in alike.items()
        if 2 * count >= len(having[a] & having[b])
    ] == []


def test_generation_repeats_and_other_sizes_show_the_same(glyphs: Dataset) -> None:
    half = load_glyphs(16)
    assert half.items == glyphs.items
    assert half.class_names == glyphs.class_names
    assert torch.equal(half.labels, glyphs.labels)
    small = pixels_of(half.images, torch.arange(200)).float()
    large = pixels_of(glyphs.images, torch.arange(200)).float()
    pooled = torch.nn.functional.avg_pool2d(large, 2)
    assert (small - pooled).abs().max() <= 1


def outline(*points: tuple[int, int], em: int = 480) -> Outline:
    return Outline(points=np.array(points, dtype=np.int64), left=0, em=em)


def test_merging_is_blind_to_point_order_and_needs_half_the_faces() -> None:
    square = outline((0, 0), (100, 0), (100, 100), (0, 100))
    turned = outline((100, 101), (0, 100), (0, 0), (100, 0))
    higher = outline((0, 40), (100, 40), (100, 140), (0, 140))
    assert merge_identical([{1: square, 2: turned, 3: higher}]) == {1: 1, 2: 1, 3: 3}
    apart = {1: square, 2: higher}
    assert merge_identical([{1: square, 2: turned}, apart]) == {1: 1, 2: 1}
    assert merge_identical([{1: square, 2: turned}, apart, apart]) == {1: 1, 2: 2}


def test_merging_links_chains() -> None:
    a, b, c = (outline((0, 0), (100, 0), (50, 100 + rise)) for rise in (0, 14, 28))
    assert merge_identical([{1: a, 3: c}]) == {1: 1, 3: 3}
    assert merge_identical([{1: a, 2: b, 3: c}]) == {1: 1, 2: 1, 3: 1}


def test_pixels_are_stable(ink: np.ndarray) -> None:
    # Not frozen to the bit: rasterisers round differently by a grey level.
    assert ink.mean() == pytest.approx(0.0912, abs=5e-4)
