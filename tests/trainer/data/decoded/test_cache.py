import errno
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
from filelock import FileLock

from objectives import InputError
from trainer.data.decoded import Format, building, source_files, writing
from trainer.data.decoded import cache as cache_module
from trainer.data.decoded.decoding import decode
from trainer.data.decoded.encoding import EncodedImage

from .pictures import SHAPES, STORED, cached, content, noise, truncate, write_pictures

Decoded = Counter[str]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The names of the files that were decoded, counted."""
    counts: Decoded = Counter()

    def counted(path: str, stored_size: int) -> np.ndarray:
        counts[Path(path).name] += 1
        return decode(path, stored_size)

    monkeypatch.setattr(building, "decode", counted)
    monkeypatch.setattr(building, "_FILES", 1)
    return counts


def test_made_once(tmp_path: Path, decoded: Decoded) -> None:
    names = write_pictures(tmp_path)
    shares: list[float] = []
    first = cached(tmp_path, names, tmp_path / "cache", progress=shares.append)
    assert decoded == Counter(names)
    assert shares[-1] == 1
    assert shares == sorted(shares)
    shares.clear()
    again = cached(tmp_path, names, tmp_path / "cache", progress=shares.append)
    assert again.folder == first.folder
    assert decoded == Counter(names)
    assert shares == []
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [
        first.folder.name
    ]


def edit(folder: Path, names: list[str]) -> list[str]:
    noise(*SHAPES[2], seed=99).save(folder / names[2])
    return names


def touch(folder: Path, names: list[str]) -> list[str]:
    os.utime(folder / names[2], ns=(0, 1))
    return names


def rename(folder: Path, names: list[str]) -> list[str]:
    (folder / names[2]).rename(folder / "other.png")
    return [*names[:2], "other.png", *names[3:]]


CHANGES: list[Callable[[Path, list[str]], list[str]]] = [
    edit,
    touch,
    rename,
    lambda _, names: names[::-1],
    lambda _, names: names[:-1],
]


@pytest.mark.parametrize("change", CHANGES)
def test_other_files_have_another_cache(
    tmp_path: Path, change: Callable[[Path, list[str]], list[str]]
) -> None:
    names = write_pictures(tmp_path)
    before = cached(tmp_path, names, tmp_path / "cache")
    after = cached(tmp_path, change(tmp_path, names), tmp_path / "cache")
    assert after.folder != before.folder
    assert before.folder.is_dir()


def test_the_place_of_the_files_does_not_matter(tmp_path: Path, decoded: Decoded) -> None:
    names = write_pictures(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")  # with the times of change
    here = cached(tmp_path / "here", names, tmp_path / "cache")
    there = cached(tmp_path / "there", names, tmp_path / "cache")
    assert here.folder == there.folder
    assert decoded == Counter(names)


def test_alike_in_all_but_the_pixels(tmp_path: Path) -> None:
    for folder, seed in (("here", 1), ("there", 2)):
        (tmp_path / folder).mkdir()
        noise(16, 16, seed=seed).save(tmp_path / folder / "a.bmp")
        os.utime(tmp_path / folder / "a.bmp", ns=(0, 0))  # as an archive may set it
    here, there = (
        cached(tmp_path / folder, ["a.bmp"], tmp_path / "cache") for folder in ("here", "there")
    )
    assert content(here)["images.bin"] != content(there)["images.bin"]


def test_absolute_names(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "a")
    far = [str(tmp_path / "a" / name) for name in names]
    relative, absolute = (
        cached(tmp_path / "a", given, tmp_path / "cache") for given in (names, far)
    )
    assert content(relative)["images.bin"] == content(absolute)["images.bin"]


@pytest.mark.parametrize("name", ["ünï.png", "a\nb.png", os.fsdecode(b"\xff.png")])
def test_odd_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    noise(20, 20).save(folder / name, format="PNG")
    assert len(cached(folder, [name], tmp_path / "cache")) == 1


def test_stored_size_and_decoder_make_another_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = write_pictures(tmp_path)
    found = {cached(tmp_path, names, tmp_path / "cache", stored_size=k).folder for k in (8, 9)}
    monkeypatch.setattr("trainer.data.decoded.encoding.DECODER", "2, Pillow 99")
    found.add(cached(tmp_path, names, tmp_path / "cache", stored_size=8).folder)
    assert len(found) == 3


def test_the_format_is_chosen_by_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_pictures(tmp_path, SHAPES * 5)
    exact = cached(tmp_path, names, tmp_path / "cache")
    size = (exact.folder / "images.bin").stat().st_size
    found = [
        cached(tmp_path, names, tmp_path / "cache", raw_limit=limit).format
        for limit in (size, size - 1)
    ]
    assert found == [Format.RAW, Format.JPEG]
    monkeypatch.setattr(source_files, "_SAMPLE", 10)  # every third, of seven shapes in turn
    files = source_files.SourceFiles(root=tmp_path, names=names)
    assert files.raw_bytes(STORED) == pytest.approx(size, rel=0.2)


def test_the_first_bad_file_is_named_and_what_was_made_is_kept(
    tmp_path: Path, decoded: Decoded
) -> None:
    names = write_pictures(tmp_path / "set", SHAPES * 3)
    for number in (9, 14):
        truncate(tmp_path / "set" / names[number])
    for bad in (9, 14):
        decoded.clear()
        with pytest.raises(InputError, match=rf"{bad}\.png: cannot be read as an image \("):
            cached(tmp_path / "set", names, tmp_path / "cache")
        noise(30, 50, seed=bad).save(tmp_path / "set" / names[bad])  # mended
    decoded.clear()
    images = cached(tmp_path / "set", names, tmp_path / "cache")
    assert decoded == Counter(names[14:])
    undisturbed = cached(tmp_path / "set", names, tmp_path / "other")
    assert content(images) == content(undisturbed)


def test_a_bad_file_may_be_left_out(tmp_path: Path, decoded: Decoded) -> None:
    names = write_pictures(tmp_path / "set")
    truncate(tmp_path / "set" / names[4])
    with pytest.raises(InputError, match=r"4\.png"):
        cached(tmp_path / "set", names, tmp_path / "cache")
    decoded.clear()
    names.remove("4.png")
    images = cached(tmp_path / "set", names, tmp_path / "cache")
    assert decoded == Counter(names[4:])
    assert content(images) == content(cached(tmp_path / "set", names, tmp_path / "other"))


def test_a_change_of_what_was_made_is_seen(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "set")
    truncate(tmp_path / "set" / names[4])
    with pytest.raises(InputError, match=r"4\.png"):
        cached(tmp_path / "set", names, tmp_path / "cache")
    for number in (2, 4):
        noise(30, 50, seed=number).save(tmp_path / "set" / names[number])
    images = cached(tmp_path / "set", names, tmp_path / "cache")
    assert content(images) == content(cached(tmp_path / "set", names, tmp_path / "other"))


def test_missing_and_empty_files(tmp_path: Path) -> None:
    names = write_pictures(tmp_path)
    with pytest.raises(InputError, match=r"gone\.png: there is no such file$"):
        cached(tmp_path, [*names, "gone.png"], tmp_path / "cache")
    with pytest.raises(InputError, match=r"cannot be read as an image \(.*embedded null .*\)$"):
        cached(tmp_path, [*names, "a\0.png"], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    (tmp_path / names[1]).write_bytes(b"")
    with pytest.raises(InputError, match=r"1\.png: .*\(empty, or of an unknown format\)$"):
        cached(tmp_path, names, tmp_path / "cache")


# Processes that build a cache, each killed when something is made sure of for the n-th time, and
# each leaving half of what it was about to write.
MORTALS = """
import os, signal, sys
from pathlib import Path
from trainer.data.decoded import building, decoded_images

root, folder, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
names = sorted(path.name for path in root.iterdir())
fsync, building._PERIOD = os.fsync, 0.0

def live(instant):
    calls = iter(range(1, 1_000_000))

    def mortal(descriptor):
        if next(calls) == instant:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = mortal
    decoded_images(root, names, folder=folder, stored_size=16, raw_limit=limit)

for deaths, instant in enumerate(map(int, sys.argv[4:])):
    child = os.fork()
    if not child:
        live(instant)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        sys.exit(f"number {deaths} was not killed")
    (unfinished,) = folder.glob("*.partial")
    for name, rest in (("images.bin", b"part of an image"), ("index.bin", b"of a record"[:deaths])):
        with (unfinished / name).open("ab") as file:
            file.write(rest)
"""


@pytest.mark.parametrize("limit", [0, 10**9])
def test_killed_again_and_again(tmp_path: Path, decoded: Decoded, limit: int) -> None:
    root, folder = tmp_path / "set", tmp_path / "cache"
    names = sorted(write_pictures(root, SHAPES * 4))
    whole = cached(root, names, tmp_path / "undisturbed", raw_limit=limit)
    # Odd: the images are written, their records are not. Even: both are.
    instants = (1, 2, 7, 12, 5)
    arguments = [str(root), str(folder), str(limit), *map(str, instants)]
    done = subprocess.run(
        [sys.executable, "-c", MORTALS, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    decoded.clear()
    images = cached(root, names, folder, raw_limit=limit)
    assert content(images) == content(whole)
    assert decoded == Counter(names[sum(instant // 2 for instant in instants) :])
    assert list(folder.glob("*.partial")) == []


def test_waiting_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_pictures(tmp_path / "set")
    truncate(tmp_path / "set" / names[4])
    with pytest.raises(InputError, match=r"4\.png"):
        cached(tmp_path / "set", names, tmp_path / "cache")
    noise(30, 50).save(tmp_path / "set" / names[4])
    monkeypatch.setattr(cache_module, "_POLL", 0.01)
    (unfinished,) = (tmp_path / "cache").glob("*.partial")
    other = FileLock(unfinished.with_suffix(".lock"), thread_local=False)
    other.acquire()
    shares: list[float] = []

    def told(share: float) -> None:
        shares.append(share)
        other.release()

    cached(tmp_path / "set", names, tmp_path / "cache", progress=told)
    assert shares[0] == pytest.approx(4 / 7)
    assert shares[-1] == 1


def test_of_many_at_once_one_makes_it(tmp_path: Path, decoded: Decoded) -> None:
    names = write_pictures(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(cached, tmp_path, names, tmp_path / "cache") for _ in range(4)]
        assert len({call.result().folder for call in calls}) == 1
    assert decoded == Counter(names)


@pytest.mark.parametrize("most", [{"_FILES": 1}, {"_FILES": 8, "_TASK_BYTES": 1000}])
def test_decoding_does_not_run_far_ahead(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, most: dict[str, int]
) -> None:
    for name, value in most.items():
        monkeypatch.setattr(building, name, value)
    names = write_pictures(tmp_path, SHAPES * 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(building, "_AHEAD", 3)
    append, ahead = writing.CacheWriter.append, []

    def counted(self: writing.CacheWriter, image: EncodedImage) -> None:
        ahead.append(decoded.total() - self.count)
        append(self, image)

    monkeypatch.setattr(writing.CacheWriter, "append", counted)
    cached(tmp_path, names, tmp_path / "cache")
    assert 1 <= max(ahead) <= 2 * 3


def test_too_long_for_a_jpeg(tmp_path: Path) -> None:
    noise(1, 65_501).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: cannot be stored as jpeg \("):
        cached(tmp_path, ["a.png"], tmp_path / "cache", raw_limit=0)


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_pictures(tmp_path)
    message = r"the decoded images need about 9\.3e-06 GB there, and 9e-06 GB are free$"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9_000))
    with pytest.raises(InputError, match=message) as caught:
        cached(tmp_path, names, tmp_path / "cache")
    assert caught.value.file == tmp_path / "cache"
    cached(tmp_path, names, tmp_path / "cache", raw_limit=0)  # JPEG needs less


def test_the_disk_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_pictures(tmp_path)
    whole = cached(tmp_path, names, tmp_path / "other")
    checkpoint = writing.CacheWriter.checkpoint

    def full(self: writing.CacheWriter) -> None:
        checkpoint(self)
        if self.count == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.CacheWriter, "checkpoint", full)
    monkeypatch.setattr(building, "_PERIOD", 0.0)
    with pytest.raises(InputError, match="the decoded images need about"):
        cached(tmp_path, names, tmp_path / "cache")
    monkeypatch.undo()
    assert content(cached(tmp_path, names, tmp_path / "cache")) == content(whole)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    names = write_pictures(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/cache: cannot be written to \(Not a directory\)"):
        cached(tmp_path, names, tmp_path / "file" / "cache")


def test_the_same_files_of_two_roots_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = write_pictures(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    append = building.append_images

    def slow(*arguments: object) -> None:
        monkeypatch.setattr(cache_module, "append_images", append)
        cached(tmp_path / "there", names, tmp_path / "cache")
        append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cache_module, "append_images", slow)
    images = cached(tmp_path / "here", names, tmp_path / "cache")
    assert len(images) == len(names)
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [images.folder]


def test_what_is_no_mistake_of_the_user_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(building, "decode", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cached(tmp_path, write_pictures(tmp_path), tmp_path / "cache")
