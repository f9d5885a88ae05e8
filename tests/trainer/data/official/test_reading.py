import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from objectives import InputError
from tests.trainer.data.pixels import pixels_of
from trainer.data import DataConfig, load_data
from trainer.data.official import OFFICIAL_SETS, list_official
from trainer.data.official.record import Count

from .trees import (
    PER_CLASS,
    TEST,
    TRAIN,
    TREES,
    Tree,
    cars,
    cars_as_csv,
    cars_in_halves,
    cub,
    in_shop,
    in_shop_as_downloaded,
    in_shop_beside,
    inaturalist,
    sop,
    write,
)

Plant = Callable[[Path], Tree]


def plant_id(plant: Plant) -> str:
    return str(getattr(plant, "__name__", plant))


@pytest.mark.parametrize("plant", TREES, ids=plant_id)
def test_every_layout_gives_its_images_classes_and_halves(plant: Plant, tmp_path: Path) -> None:
    tree = plant(tmp_path)
    listing = list_official(tree.record, tree.root)
    labels = [listing.class_names[label] for label in listing.labels.tolist()]
    expected = sorted(tree.entries, key=lambda entry: entry.item)
    assert [*listing.items] == [entry.item for entry in expected]
    assert labels == [entry.label for entry in expected]
    assert listing.class_names == tuple(sorted({entry.label for entry in expected}))
    assert listing.files == listing.items
    assert all((listing.root / file).is_file() for file in listing.files)
    assert listing.parts == {
        entry.label: "train" if entry.part == "train" else "test" for entry in expected
    }
    if tree.name == "in_shop":
        assert listing.queries is not None
        assert listing.queries.tolist() == [entry.part == "query" for entry in expected]
    else:
        assert listing.queries is None


@pytest.mark.parametrize("plant", [cub, cars, sop, inaturalist, in_shop], ids=plant_id)
def test_root_may_hold_the_folder_that_the_archive_unpacks_to(plant: Plant, tmp_path: Path) -> None:
    record = OFFICIAL_SETS[plant_id(plant)]
    tree = plant(tmp_path / record.folder)
    assert len(list_official(tree.record, tmp_path).items) == (TRAIN + TEST) * PER_CLASS


@pytest.mark.parametrize(
    "plant", [cub, cars, cars_in_halves, cars_as_csv, sop, inaturalist, in_shop], ids=plant_id
)
def test_what_is_missing_is_named_with_where_it_is_from(plant: Plant, tmp_path: Path) -> None:
    tree = plant(tmp_path)
    layout = next(
        layout
        for layout in tree.record.layouts
        if all((tmp_path / need).exists() for need in layout.needs)
    )
    for need, origin in layout.needs.items():
        (tmp_path / need).rename(tmp_path / "away")
        with pytest.raises(InputError) as caught:
            list_official(tree.record, tmp_path)
        title = tree.record.title
        assert str(caught.value) == (
            f"data.root: there is no {need} of {title} in {tmp_path}; it is in {origin}"
        )
        assert "https://" in origin
        (tmp_path / "away").rename(tmp_path / need)


def test_of_an_empty_folder_the_first_layout_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no cars_annos\.mat of Cars-196 in "):
        list_official(OFFICIAL_SETS["cars"], tmp_path)
    with pytest.raises(InputError, match=r"^data\.root: .*nowhere is not a folder$"):
        list_official(OFFICIAL_SETS["cars"], tmp_path / "nowhere")


@pytest.mark.parametrize("plant", TREES, ids=plant_id)
def test_a_tree_is_not_taken_for_the_whole_set(plant: Plant, tmp_path: Path) -> None:
    tree = plant(tmp_path)
    real = OFFICIAL_SETS[tree.name]
    with pytest.raises(InputError) as caught:
        list_official(real, tmp_path)
    assert str(caught.value) == (
        f"data.root: the train part of {real.title} has {real.counts['train']}, but the lists in "
        f"{tmp_path} have 24 images of 8 classes"
    )


def test_counts_of_each_part_are_checked(tmp_path: Path) -> None:
    tree = in_shop(tmp_path)
    for part, count in tree.record.counts.items():
        for more in (
            Count(images=count.images + 1, classes=count.classes),
            Count(images=count.images, classes=count.classes + 1),
        ):
            record = replace(tree.record, counts={**tree.record.counts, part: more})
            with pytest.raises(
                InputError, match=rf"the {part} part of .* has {more}, but .* {count}$"
            ):
                list_official(record, tmp_path)


def test_halves_share_no_class(tmp_path: Path) -> None:
    tree = sop(tmp_path)
    text = (tmp_path / "Ebay_test.txt").read_text()
    (tmp_path / "Ebay_test.txt").write_text(text.replace(" 13 1 ", " 5 1 "))
    with pytest.raises(InputError, match=r"^data\.root: class '5' of Stanford .* both halves in "):
        list_official(tree.record, tmp_path)


@pytest.mark.parametrize(
    ("plant", "file", "old", "new", "message"),
    [
        (cub, "images.txt", "1 093.", "1093.", r"line 1 must have 2 fields, not '1093\."),
        (cub, "image_class_labels.txt", " 93", " 300", r"has no class in image_class_labels\.txt"),
        (cub, "classes.txt", "103 ", "104 ", r"images\.txt: image 2\d\d has no class"),
        (sop, "Ebay_train.txt", " 5 1 ", " 5 ", r"Ebay_train\.txt: line 2 must have 4 fields"),
        (in_shop, "Eval/list_eval_partition.txt", "query", "probe", r"'probe', not train or query"),
        (cars_as_csv, "anno_train.csv", ",91", ",x", r"anno_train\.csv: 'x' must be a whole numb"),
        (cars_as_csv, "anno_train.csv", ",39,116,569,375,91", "", r"'' must be a whole number$"),
        (cars_as_csv, "anno_test.csv", ",91", ",197", r"has class 197, and names are 196"),
        (
            inaturalist,
            "Inat_dataset_splits/Inaturalist_train_set1.txt",
            "train_val2018/Aves/2/",
            "",
            r"set1\.txt: '0a\.jpg' lies in no group's and species' folder",
        ),
    ],
)
def test_lines_that_cannot_be_understood(
    plant: Plant, file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    tree = plant(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        list_official(tree.record, tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    tree = cars(tmp_path / "cars")
    file = tree.root / "cars_annos.mat"
    for content in (b"", b"not a MATLAB file at all" * 20):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"annos\.mat: cannot be read as a MATLAB file \("):
            list_official(tree.record, tree.root)
    shutil.copy(cars_in_halves(tmp_path / "halves").root / "devkit/cars_meta.mat", file)
    with pytest.raises(InputError, match=r"cars_annos\.mat: has no annotations$"):
        list_official(tree.record, tree.root)
    tree = cars_in_halves(tmp_path / "without labels")
    annotations = np.zeros((1, 2), dtype=[("fname", object), ("bbox_x1", object)])
    savemat(tree.root / "cars_test_annos_withlabels.mat", {"annotations": annotations})
    with pytest.raises(InputError, match=r"withlabels\.mat: its annotations have no class$"):
        list_official(tree.record, tree.root)
    tree = sop(tmp_path / "sop")
    (tree.root / "Ebay_train.txt").write_bytes(b"header\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"Ebay_train\.txt: cannot be read as text \("):
        list_official(tree.record, tree.root)
    (tree.root / "Ebay_train.txt").unlink()
    (tree.root / "Ebay_train.txt").mkdir()
    with pytest.raises(InputError, match=r"Ebay_train\.txt: cannot be read \(Is a directory\)$"):
        list_official(tree.record, tree.root)


def test_a_file_that_is_listed_twice(tmp_path: Path) -> None:
    tree = sop(tmp_path)
    lines = (tmp_path / "Ebay_train.txt").read_text().splitlines()
    write(tmp_path / "Ebay_train.txt", [*lines[:-1], lines[-2]])
    with pytest.raises(InputError, match=r"_1\.JPG is listed twice$"):
        list_official(tree.record, tmp_path)


@pytest.mark.parametrize("plant", TREES, ids=plant_id)
def test_load(plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = plant(tmp_path)
    monkeypatch.setitem(OFFICIAL_SETS, tree.name, tree.record)
    config = DataConfig.model_validate({"name": tree.name, "root": tmp_path, "image_size": 8})
    split = load_data(config)
    data = split.dataset
    assert data.name == tree.name
    assert [split.class_count(part) for part in ("train", "validation", "test")] == [6, 2, TEST]
    by_item = {entry.item: entry for entry in tree.entries}
    parts = [by_item[data.items[index]].part for index in split.indices("test").tolist()]
    assert "train" not in parts
    assert len(parts) == TEST * PER_CLASS
    # Grey images are read as the others are, each from its own file.
    pixels = pixels_of(data.images)
    greys = torch.tensor([by_item[item].grey for item in data.items], dtype=torch.uint8)
    assert torch.equal(pixels, greys[:, None, None, None].expand_as(pixels))
    if tree.name == "in_shop":
        assert split.queries is not None
        assert split.queries[split.test].sum() == TEST
        assert split.queries.sum() == TEST
    else:
        assert split.queries is None


def test_validation_classes_are_dealt_by_the_seed_and_the_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = cub(tmp_path)
    monkeypatch.setitem(OFFICIAL_SETS, "cub", tree.record)

    def validation(**changes: object) -> tuple[set[int], torch.Tensor]:
        split = load_data(
            DataConfig.model_validate({"name": "cub", "root": tmp_path, "image_size": 8} | changes)
        )
        return {*split.dataset.labels[split.validation].tolist()}, split.test

    found = [validation(split={"seed": seed}) for seed in range(4)]
    assert len({frozenset(classes) for classes, _ in found}) > 1
    assert all(torch.equal(test, found[0][1]) for _, test in found)
    assert validation()[0] == found[0][0]
    half = validation(validation_share=0.5)[0]
    assert len(half) == 4
    assert half > found[0][0]
    with pytest.raises(InputError, match=r"^data: each part .* train 7, validation 1, test 3$"):
        validation(validation_share=0.1)


def test_the_fingerprint_is_the_same_wherever_the_tree_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = (in_shop, in_shop_as_downloaded, in_shop_beside)
    roots = [plant(tmp_path / plant_id(plant)).root for plant in trees]
    monkeypatch.setitem(OFFICIAL_SETS, "in_shop", in_shop(tmp_path / "record").record)
    configs = [DataConfig(name="in_shop", root=root, image_size=8) for root in roots]
    assert len({load_data(config).fingerprint for config in configs}) == 1
