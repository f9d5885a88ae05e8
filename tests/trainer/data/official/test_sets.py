import pytest

from trainer.data.config import OFFICIAL_NAMES
from trainer.data.official import OFFICIAL_SETS


def test_every_name_has_its_record() -> None:
    assert tuple(OFFICIAL_SETS) == OFFICIAL_NAMES


# Images and classes of each part, as the papers have them.
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cub", {"train": (5864, 100), "test": (5924, 100)}),
        ("cars", {"train": (8054, 98), "test": (8131, 98)}),
        ("sop", {"train": (59551, 11318), "test": (60502, 11316)}),
        ("inaturalist", {"train": (325846, 5690), "test": (136093, 2452)}),
        (
            "in_shop",
            {"train": (25882, 3997), "query": (14218, 3985), "gallery": (12612, 3985)},
        ),
    ],
)
def test_counts(name: str, counts: dict[str, tuple[int, int]]) -> None:
    found = OFFICIAL_SETS[name].counts
    assert {part: (count.images, count.classes) for part, count in found.items()} == counts


# Images and classes of the whole, as the authors have them.
@pytest.mark.parametrize(
    ("name", "images", "classes"),
    [
        ("cub", 11_788, 200),
        ("cars", 16_185, 196),
        ("sop", 120_053, 22_634),
        ("inaturalist", 437_513 + 24_426, 8_142),
        ("in_shop", 52_712, 7_982),
    ],
)
def test_halves_add_up_to_the_whole(name: str, images: int, classes: int) -> None:
    counts = OFFICIAL_SETS[name].counts
    assert sum(count.images for count in counts.values()) == images
    of_classes = [count.classes for part, count in counts.items() if part != "gallery"]
    assert sum(of_classes) == classes
