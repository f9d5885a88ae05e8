import os
from pathlib import Path

import pytest

from trainer import written_whole


def test_a_file_is_replaced_and_readable_to_all(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    file.chmod(0o600)
    with written_whole(file) as partial:
        partial.write_text("new")
        assert partial.parent == tmp_path
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file, link = tmp_path / "deep" / "a.txt", tmp_path / "link.txt"
    file.write_text("old")
    link.symlink_to(file)
    with written_whole(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_was_there_stays_and_nothing_is_left_behind(
    error: type[BaseException], tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(error), written_whole(file) as partial:
        fail(partial)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "none" / "a.txt"):
        pass


def test_the_user_decides_who_may_read_it(tmp_path: Path) -> None:
    file, before = tmp_path / "secret", os.umask(0o077)
    try:
        with written_whole(file) as partial:
            partial.write_bytes(b"content")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
