import unicodedata
from pathlib import Path

import pytest

from objectives import InputError
from trainer.data.folder import IMAGE_SUFFIXES, list_folder


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def naive(folder: Path) -> list[str]:
    """Every file below a class folder that is an image and in nothing hidden."""
    found = []
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES and not hidden:
            found.append(unicodedata.normalize("NFC", below.as_posix()))
    return sorted(found)


def test_images_at_any_depth_in_the_order_of_their_items(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    names = ["a/1.png", "a b/1.png", "a/deep/er/2.JPG", "a/.h/3.png", "a/.4.png", "a/5.txt", "a/6"]
    touch(*(folder / name for name in [*names, "b/png", "b/.png", "b/x.y.TiFF", ".c/1.png"]))
    found = list_folder(folder)
    assert [*found.items] == naive(folder)
    assert found.items == ("a b/1.png", "a/1.png", "a/deep/er/2.JPG", "b/x.y.TiFF")
    assert found.class_names == ("a", "a b", "b")
    assert [found.class_names[label] for label in found.labels.tolist()] == ["a b", "a", "a", "b"]
    assert found.root == folder
    assert found.parts is None


def test_files_keep_their_spelling_and_items_are_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    touch(tmp_path / decomposed / f"{decomposed}.png", tmp_path / "e" / "1.png")
    found = list_folder(tmp_path)
    assert found.items == ("e/1.png", "é/é.png")
    assert found.class_names == ("e", "é")
    assert all((tmp_path / file).is_file() for file in found.files)
    assert found.files[0] is found.items[0]


def test_only_class_folders_may_be_links_to_folders(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "1.png", tmp_path / "set" / "a" / "2.png")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "round").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "a" / "3.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "set" / "a" / "4.png").symlink_to(tmp_path / "elsewhere")
    assert list_folder(tmp_path / "set").items == ("a/2.png", "a/3.png", "b/1.png")


def test_links_that_lead_nowhere_are_missed(tmp_path: Path) -> None:
    touch(tmp_path / "set" / "a" / "1.png")
    (tmp_path / "set" / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "set" / "a" / "round.png").symlink_to("round.png")
    assert list_folder(tmp_path / "set").items == ("a/1.png", "a/gone.png", "a/round.png")
    for name, goal in (("b", "nowhere"), ("c", "c")):
        link = tmp_path / "set" / name
        link.symlink_to(goal)
        with pytest.raises(InputError, match=rf"^data\.folder: the link {link} leads nowhere$"):
            list_folder(tmp_path / "set")
        link.unlink()


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a" / "1.png")

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(
        InputError, match=r"^data\.folder: .* cannot be read \(Permission denied\)$"
    ):
        list_folder(tmp_path)
