import os
import shutil
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives import InputError
from trainer.data import DataConfig, load_data
from trainer.data.listing import Listing
from trainer.data.table import list_table

from .test_load import CLASSES, fill, rows_of


def read(table: Path, split_column: str | None = "part") -> Listing:
    return list_table(table, path_column="path", label_column="label", split_column=split_column)


def write(table: Path, *rows: str) -> Path:
    table.write_text("\n".join(["path,label,part", *rows]) + "\n", encoding="utf-8")
    return table


def naive_item(path: str, base: Path) -> str | None:
    location = Path(os.path.normpath(base / path))
    if location == base or not location.is_relative_to(base):
        return None
    return unicodedata.normalize("NFC", location.relative_to(base).as_posix())


_PATH = st.lists(st.sampled_from(["a", "..", ".", "b.png", "", "é", "set"]), min_size=1)


@given(paths=st.lists(_PATH, min_size=1, max_size=4), absolute=st.booleans())
def test_items_are_below_the_table(
    paths: list[list[str]], absolute: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("set", numbered=True)
    start = f"{folder}/" if absolute else ""
    given = [f"{start}{'/'.join(path)}x" for path in paths]
    rows = {naive_item(row, folder): row for row in given}
    table = write(folder / "t.csv", *(f"{row},l,train" for row in rows.values()))
    if None in rows:
        with pytest.raises(InputError, match="which is not below"):
            read(table)
        return
    found = read(table)
    assert [*found.items] == sorted(filter(None, rows))
    for file, item in zip(found.files, found.items, strict=True):
        assert os.path.normpath(found.root / file) == os.path.normpath(folder / rows[item])


@pytest.mark.parametrize("table", ["t.csv", "sub/t.csv", "../here/t.csv", "{}/t.csv"])
def test_files_are_found_wherever_the_table_is_named_from(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    file = Path(table.format(tmp_path / "here"))
    base = Path(os.path.normpath(file.parent.absolute()))
    for path in ("in.png", "../out.png", str(tmp_path / "absolute.png")):
        Path(os.path.normpath(file.parent / path)).touch()
        written = write(file, f"{path},l,train")
        if naive_item(path, base) is None:
            with pytest.raises(
                InputError, match=r"^data\.table: row 1 of .* names .*, which is not"
            ):
                read(written, None)
        found = read_below(tmp_path, written, path)
        assert (found.root / found.files[0]).is_file()


def read_below(root: Path, table: Path, path: str) -> Listing:
    inside = Path(os.path.normpath(table.parent.absolute() / path)).relative_to(root)
    write(table, f"{inside},l,train")
    return list_table(table, path_column="path", label_column="label", root=root)


def test_a_link_may_lead_out(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "out.png").touch()
    (tmp_path / "here" / "in.png").symlink_to(tmp_path / "out.png")
    assert read(write(tmp_path / "here" / "t.csv", "in.png,l,train")).files == ("in.png",)


def test_an_image_is_one_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    table = Path("sub/t.csv")
    with pytest.raises(InputError, match=r"rows 1 and 2 of sub/t\.csv both name /"):
        read(write(table, "a.png,l,train", f"{tmp_path}/sub/a.png,l,train"))


def test_split_column(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    part = dict(zip(CLASSES, ["test", "train", "validation", "train"] * 2, strict=True))
    rows = [(path, label, part[label]) for path, label in _str(folder)]
    write(folder / "t.csv", *(",".join(row) for row in rows))
    pd.DataFrame(rows, columns=["path", "label", "part"]).to_parquet(folder / "t.parquet")
    for table in ("t.csv", "t.parquet"):
        split = load_data(DataConfig(table=folder / table, split_column="part", image_size=8))
        for name in ("train", "validation", "test"):
            labels = split.dataset.labels[split.indices(name)].tolist()
            assert {CLASSES[label] for label in labels} == {k for k, v in part.items() if v == name}
    dealt = load_data(DataConfig(table=folder / "t.csv", image_size=8))
    assert dealt.fingerprint != split.fingerprint


def test_classes_share_no_split(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,x,train", "2,y,test", "3,x,train", "4,x,test")
    with pytest.raises(InputError) as caught:
        read(table)
    assert str(caught.value) == (
        f"data.split_column: row 1 of {table} puts class 'x' into train and row 4 into test, but "
        "splits share no class"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "2,y,val",
            r"^data\.split_column: row 2 of .* has 'val', not train or validation or test$",
        ),
        ("2,y,Test", r"^data\.split_column: row 2 of .* has 'Test', not train"),
        ("2,y,", r"^data\.table: row 2 of .* has an empty 'part'$"),
        ("2,y", r"^data\.table: row 2 of .* has an empty 'part'$"),
    ],
)
def test_bad_splits(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "t.csv", "1,x,train", row))


def test_no_split_column(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,x,train")
    with pytest.raises(InputError, match=r"has no column 'half', only path, label, part$"):
        read(table, "half")


def test_a_part_without_classes(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    rows = [
        f"{path},{label},{'train' if label < CLASSES[4] else 'test'}"
        for path, label in _str(folder)
    ]
    with pytest.raises(InputError, match=r"^data: each part .* train 4, validation 0, test 4$"):
        load_data(
            DataConfig(table=write(folder / "t.csv", *rows), split_column="part", image_size=8)
        )


def test_small_classes_are_left_out(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set")
    shutil.copy(folder / CLASSES[0] / "a.png", folder / "single.png")
    part = dict(zip(CLASSES, ["test", "train", "validation", "train"] * 2, strict=True))
    rows = [f"{path},{label},{part[label]}" for path, label in _str(folder)]
    without = write(folder / "without.csv", *rows)
    table = write(folder / "t.csv", *rows, "single.png,single,test")
    plain, large = (
        load_data(
            DataConfig(table=table, split_column="part", image_size=8, min_images_per_class=least)
        )
        for least in (1, 2)
    )
    assert plain.dataset.class_names == (*CLASSES, "single")
    assert large.dataset.class_names == CLASSES
    expected = load_data(DataConfig(table=without, split_column="part", image_size=8))
    assert large.fingerprint == expected.fingerprint
    with pytest.raises(InputError, match=r"^data\.min_images_per_class: no class of .* 3 images$"):
        load_data(DataConfig(table=table, image_size=8, min_images_per_class=3))


def _str(folder: Path) -> list[tuple[str, str]]:
    return [(str(path), str(label)) for path, label in rows_of(folder)]
