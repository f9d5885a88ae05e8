import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from objectives import InputError
from trainer.data import DataConfig, SplitDataset, load_data, outline_data

from .pixels import pixels_of

Rows = list[tuple[object, object]]
CLASSES = tuple(f"class {k}" for k in range(8))


def fill(folder: Path, *, backwards: bool = False) -> Path:
    """Two images for each of eight classes, each class of its own grey."""
    for k, name in sorted(enumerate(CLASSES), reverse=backwards):
        (folder / name / "deep").mkdir(parents=True)
        grey = Image.new("L", (10, 12), 20 * k)
        grey.save(folder / name / "a.png")
        grey.save(folder / name / "deep" / "b.JPG")
    return folder


def write_table(path: Path, rows: Rows, header: str = "path,label") -> Path:
    path.write_text("\n".join([header, *(f"{a},{b}" for a, b in rows)]) + "\n", encoding="utf-8")
    return path


def rows_of(folder: Path) -> Rows:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stem in "ab")
    return [
        (path.relative_to(folder).as_posix(), path.relative_to(folder).parts[0]) for path in files
    ]


def check(split: SplitDataset) -> None:
    data = split.dataset
    assert len(data.items) == 16
    assert data.class_names == CLASSES
    assert data.items[:2] == ("class 0/a.png", "class 0/deep/b.JPG")
    pixels = pixels_of(data.images)
    assert pixels.shape == (16, 3, 12, 10)  # whole, and not enlarged
    assert (data.image_size, data.crop_share) == (64, None)
    assert (pixels[:, 0, 6, 5].float() - 20 * data.labels).abs().max() <= 2


def test_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    (folder / "README.md").write_text("text beside the class folders is left alone")
    (folder / ".cache").mkdir()
    (folder / CLASSES[0] / "notes.txt").write_text("and within")
    (folder / CLASSES[0] / ".hidden.png").write_bytes(b"")
    split = load_data(DataConfig(folder=folder))
    check(split)
    assert split.dataset.name == "set"
    assert [split.class_count(part) for part in ("train", "validation", "test")] == [4, 2, 2]


def test_an_outline_is_the_same_set_without_its_images(tmp_path: Path) -> None:
    config = DataConfig(folder=fill(tmp_path / "set"), image_size=16)
    whole = load_data(config)
    (tmp_path / "set" / CLASSES[0] / "a.png").write_bytes(b"no image")
    outline = outline_data(config)
    assert outline.fingerprint == whole.fingerprint
    assert outline.dataset.items == whole.dataset.items
    assert torch.equal(outline.validation, whole.validation)
    noise = outline.dataset.images
    assert (len(noise), noise.channels) == (16, 3)
    assert outline.dataset.image_size == 16
    with pytest.raises(InputError, match="is not a folder"):
        outline_data(DataConfig(folder=tmp_path / "gone"))


def test_fingerprint_ignores_place_and_listing_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = fill(tmp_path / "here"), fill(tmp_path / "else" / "there", backwards=True)
    first = load_data(DataConfig(folder=here)).fingerprint
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: nullcontext([*scandir(path)][::-1]))
    assert load_data(DataConfig(folder=there)).fingerprint == first
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert load_data(DataConfig(folder=Path("here"))).fingerprint == first
    shutil.move(here / CLASSES[0] / "a.png", here / CLASSES[1] / "c.png")
    shutil.copy(here / CLASSES[1] / "c.png", here / CLASSES[0] / "d.png")
    assert load_data(DataConfig(folder=here)).fingerprint != first


def test_csv_and_parquet_agree_with_the_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    by_folder = load_data(DataConfig(folder=folder))
    rows = rows_of(folder)[::-1]
    rows[0] = (folder / str(rows[0][0]), rows[0][1])  # absolute paths are taken too
    table = write_table(folder / "t.csv", rows, "file,kind")
    columns = {"path_column": "file", "label_column": "kind"}
    by_csv = load_data(DataConfig(table=table, **columns))
    check(by_csv)
    pd.DataFrame(rows_of(folder), columns=["path", "label"]).to_parquet(folder / "t.parquet")
    by_parquet = load_data(DataConfig(table=folder / "t.parquet"))
    check(by_parquet)
    assert by_folder.fingerprint == by_csv.fingerprint == by_parquet.fingerprint


def test_labels_are_text(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    names = dict(zip(CLASSES, ["01", "1", "NA", "null", "é", "nan", "1.0", "True"], strict=True))
    rows: Rows = [(path, names[str(label)]) for path, label in rows_of(folder)]
    split = load_data(DataConfig(table=write_table(folder / "t.csv", rows)))
    assert split.dataset.class_names == tuple(sorted(names.values()))
    numbers = pd.DataFrame(
        {
            "path": [path for path, _ in rows],
            "label": [CLASSES.index(str(k)) for _, k in rows_of(folder)],
        }
    )
    numbers.to_parquet(folder / "t.parquet")
    split = load_data(DataConfig(table=folder / "t.parquet"))
    assert split.dataset.class_names == tuple("01234567")


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^data\.folder: .*nowhere is not a folder$"):
        load_data(DataConfig(folder=tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"^data\.folder: .* has no class folders$"):
        load_data(DataConfig(folder=tmp_path))
    folder = fill(tmp_path / "set")
    (folder / "empty one").mkdir()
    with pytest.raises(InputError, match=r"the class folder .*empty one has no images$"):
        load_data(DataConfig(folder=folder))
    (folder / "empty one").rmdir()
    Image.new("L", (8, 8)).save(folder / "loose.png")
    with pytest.raises(InputError, match=r"^data\.folder: loose\.png lies in .* itself, not in a"):
        load_data(DataConfig(folder=folder))
    (folder / "loose.png").unlink()
    (folder / CLASSES[3] / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"class 3/a\.png: cannot be read as an image"):
        load_data(DataConfig(folder=folder))


def test_too_few_class_folders(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    for name in CLASSES[3:]:
        shutil.rmtree(folder / name)
    with pytest.raises(InputError, match=r"^data\.split: .* train 2, validation 0, test 1$"):
        load_data(DataConfig(folder=folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.png,x\n", r"has no column 'label', only path, class$"),
        ("", r"has no column 'path', only none$"),
        ("path,label\n", r"t\.csv has no rows$"),
        ("path,label\na.png,x\nb.png,\n", r"row 2 of .*t\.csv has an empty 'label'$"),
        ("path,label\na.png\n", r"row 1 of .*t\.csv has an empty 'label'$"),
        ("path,label\n  ,x\n", r"row 1 of .*t\.csv has an empty 'path'$"),
        ("path,label\na.png,x,y\n", r"row 1 of .*t\.csv has more fields than the header$"),
        ("path,label\na.png,x\n./a.png,y\n", r"rows 1 and 2 of .*t\.csv both name \./a\.png$"),
        ("path,label,label\na.png,x,y\n", r"t\.csv has several columns 'label'$"),
        ('path,label\n"a.png,x\n', r"t\.csv cannot be read as CSV \("),
        ("path,label\n\udcff.png,x\n", r"t\.csv cannot be read as CSV \("),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=r"^data\.table: .*" + message):
        load_data(DataConfig(table=tmp_path / "t.csv"))


def test_csv_with_a_byte_order_mark(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    table = write_table(folder / "t.csv", rows_of(folder), "\ufeffpath,label")
    check(load_data(DataConfig(table=table)))


def test_bad_parquet(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    table.write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"^data\.table: .*t\.parquet cannot be read as Parquet"):
        load_data(DataConfig(table=table))
    pd.DataFrame({"path": ["a.png"], "kind": ["x"]}).to_parquet(table)
    with pytest.raises(InputError, match=r"has no column 'label', only path, kind$"):
        load_data(DataConfig(table=table))
    pd.DataFrame({"path": ["a.png", "b.png"], "label": [1.0, None]}).to_parquet(table)
    with pytest.raises(InputError, match=r"row 2 of .*t\.parquet has an empty 'label'$"):
        load_data(DataConfig(table=table))


def test_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^data\.table: there is no file .*t\.csv$"):
        load_data(DataConfig(table=tmp_path / "t.csv"))
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"t\.xlsx must end in \.csv or \.parquet$"):
        load_data(DataConfig(table=tmp_path / "t.xlsx"))
    rows: Rows = [(f"gone{k}.png", k // 2) for k in range(16)]
    table = write_table(tmp_path / "t.csv", rows)
    with pytest.raises(InputError, match=r"gone0\.png: there is no such file$"):
        load_data(DataConfig(table=table))


def test_a_table_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.png,x\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"^data\.table: .* as CSV \(.*Permission denied\)$"):
        load_data(DataConfig(table=tmp_path / "t.csv"))


@pytest.mark.parametrize("source", ["folder", "table", "root"])
def test_a_place_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for look in ("is_dir", "is_file"):
        monkeypatch.setattr(Path, look, refuse)
    name = {"name": "cub"} if source == "root" else {}
    config = DataConfig.model_validate({source: tmp_path / "t.csv", **name})
    with pytest.raises(InputError, match=r"t\.csv: permission denied$"):
        load_data(config)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    (folder / CLASSES[0]).rename(folder / os.fsdecode(b"\xff"))
    assert "\udcff" in load_data(DataConfig(folder=folder)).dataset.class_names


def test_an_empty_variable_means_the_usual_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPS_CACHE", "")
    monkeypatch.chdir(tmp_path)
    load_data(DataConfig(folder=fill(tmp_path / "set")))
    assert {path.name for path in tmp_path.iterdir()} == {"set", ".sweeps"}


def test_what_cannot_be_split_is_not_decoded(tmp_path: Path, cache_of_the_test: Path) -> None:
    folder = fill(tmp_path / "set")
    for name in CLASSES[3:]:
        shutil.rmtree(folder / name)
    with pytest.raises(InputError, match="each part needs at least 2 classes"):
        load_data(DataConfig(folder=folder))
    assert not [*cache_of_the_test.iterdir()]
