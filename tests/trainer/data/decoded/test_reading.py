import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from objectives import InputError
from trainer.data.decoded import Format, StoredImages

from .pictures import SHAPES, STORED, cached, write_pictures

Boxes = list[tuple[int, tuple[int, int, int, int]]]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> StoredImages:
    folder = tmp_path_factory.mktemp("raw")
    return cached(folder, write_pictures(folder), folder / "cache")


@pytest.fixture(scope="module")
def whole(raw: StoredImages) -> list[Tensor]:
    """Every image, sliced out of the file by hand."""
    pixels = (raw.folder / "images.bin").read_bytes()
    images, start = [], 0
    for height, width in raw.shapes.tolist():
        end = start + 3 * height * width
        flat = torch.frombuffer(bytearray(pixels[start:end]), dtype=torch.uint8)
        images.append(flat.reshape(3, height, width))
        start = end
    assert start == len(pixels)
    return images


def whole_boxes(images: StoredImages) -> Tensor:
    return torch.cat([torch.zeros_like(images.shapes), images.shapes], dim=1)


def test_shapes(raw: StoredImages) -> None:
    assert len(raw) == len(SHAPES)
    assert raw.channels == 3
    assert raw.format is Format.RAW
    assert raw.shapes.dtype == torch.int64
    assert raw.shapes.tolist() == [
        [21, 16],
        [16, 16],
        [16, 25],
        [9, 25],
        [64, 16],
        [16, 37],
        [16, 16],
    ]


def test_pixels_are_those_of_the_files(raw: StoredImages) -> None:
    box = torch.tensor([[0, 0, 16, 16], [0, 0, 9, 25]])
    first, second = raw.crops(torch.tensor([1, 3]), box)
    root = raw.folder.parents[1]
    for found, name in ((first[:, :16, :16], "1.png"), (second[:, :9, :25], "3.png")):
        wanted = np.asarray(Image.open(root / name)).transpose(2, 0, 1)
        assert np.array_equal(found.numpy(), wanted)


@st.composite
def boxes(draw: st.DrawFn) -> Boxes:
    found = []
    sides = [(21, 16), (16, 16), (16, 25), (9, 25), (64, 16), (16, 37), (16, 16)]
    for index in draw(st.lists(st.integers(0, len(sides) - 1), max_size=6)):
        height, width = sides[index]
        top, left = draw(st.integers(0, height)), draw(st.integers(0, width))
        size = draw(st.integers(0, height - top)), draw(st.integers(0, width - left))
        found.append((index, (top, left, *size)))
    return found


@given(chosen=boxes())
def test_crops(raw: StoredImages, whole: list[Tensor], chosen: Boxes) -> None:
    indices = torch.tensor([index for index, _ in chosen], dtype=torch.int64)
    where = torch.tensor([box for _, box in chosen], dtype=torch.int64).reshape(-1, 4)
    found = raw.crops(indices, where)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    rows = max((box[2] for _, box in chosen), default=0)
    columns = max((box[3] for _, box in chosen), default=0)
    wanted = torch.zeros(len(chosen), 3, rows, columns, dtype=torch.uint8)
    for number, (index, (top, left, height, width)) in enumerate(chosen):
        for row in range(height):
            for column in range(width):
                wanted[number, :, row, column] = whole[index][:, top + row, left + column]
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    "box", [[-1, 0, 4, 4], [0, -1, 4, 4], [0, 0, 17, 4], [0, 14, 4, 3], [8, 8, -1, 4]]
)
def test_a_box_lies_within_its_image(raw: StoredImages, box: list[int]) -> None:
    good = [0, 0, 4, 4]
    with pytest.raises(ValueError, match="a box is not within its image"):
        raw.crops(torch.tensor([0, 1]), torch.tensor([good, box]))


def test_mapped_when_first_used_and_pickled_without_pixels(raw: StoredImages) -> None:
    indices, where = torch.arange(len(raw)), whole_boxes(raw)
    pixels = raw.crops(indices, where)
    again = pickle.loads(pickle.dumps(raw))
    assert len(pickle.dumps(raw)) < 500
    assert "_mapped" not in vars(again)
    assert torch.equal(again.crops(indices, where), pixels)
    assert "_mapped" in vars(again)


@pytest.mark.parametrize("limit", [0, 10**9])
def test_threads_read_the_same(tmp_path: Path, limit: int) -> None:
    names = write_pictures(tmp_path)
    images = cached(tmp_path, names, tmp_path / "cache", raw_limit=limit)
    indices, where = torch.arange(len(images)), whole_boxes(images)
    wanted = StoredImages(images.folder).crops(indices, where)
    start = threading.Barrier(4)

    def read(_: int) -> Tensor:
        start.wait()  # all find it unmapped
        return images.crops(indices, where)

    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(found, wanted) for found in pool.map(read, range(4)))


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(60), np.arange(80))[..., None] + np.array([0, 40, 90])
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(smooth[:20, ::-1].astype(np.uint8)).save(tmp_path / "b.png")
    exact = cached(tmp_path, ["a.png", "b.png"], tmp_path / "cache", stored_size=30)
    close = cached(tmp_path, ["a.png", "b.png"], tmp_path / "cache", stored_size=30, raw_limit=0)
    assert (exact.format, close.format) == (Format.RAW, Format.JPEG)
    assert exact.folder != close.folder
    assert torch.equal(close.shapes, exact.shapes)
    sizes = [(images.folder / "images.bin").stat().st_size for images in (exact, close)]
    assert sizes[1] < sizes[0] / 4
    for indices in (torch.tensor([0, 1]), torch.tensor([1, 1, 0])):
        where = torch.tensor([[3, 5, 12, 30], [0, 1, 20, 8], [4, 4, 20, 20]])[: len(indices)]
        found, wanted = (images.crops(indices, where) for images in (close, exact))
        assert (found.int() - wanted.int()).abs().max() <= 6


def test_jpeg_keeps_the_colour_of_a_thin_line(tmp_path: Path) -> None:
    image = Image.new("RGB", (STORED, STORED), "white")
    image.paste("red", (7, 0, 8, STORED))
    image.save(tmp_path / "a.png")
    images = cached(tmp_path, ["a.png"], tmp_path / "cache", raw_limit=0)
    red = images.crops(torch.tensor([0]), torch.tensor([[0, 7, STORED, 1]]))[0, :, :, 0]
    assert (red.int() - torch.tensor([[255], [0], [0]])).abs().max() <= 25


@pytest.mark.parametrize("name", ["images.bin", "index.bin", "about.json"])
@pytest.mark.parametrize("harm", ["cut", "lengthened", "gone", "garbled"])
def test_a_damaged_cache_is_refused(tmp_path: Path, name: str, harm: str) -> None:
    names = write_pictures(tmp_path)
    images = cached(tmp_path, names, tmp_path / "cache")
    path = images.folder / name
    text = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "garbled":
        path.write_bytes(b"\xff" * (len(text) + 1))
    else:
        path.write_bytes(text[:-24] if harm == "cut" else text + text[-24:])
    with pytest.raises(InputError, match="damaged: delete the folder") as caught:
        cached(tmp_path, names, tmp_path / "cache")
    assert caught.value.file == images.folder


def test_a_damaged_jpeg_is_refused(tmp_path: Path) -> None:
    names = write_pictures(tmp_path)
    images = cached(tmp_path, names, tmp_path / "cache", raw_limit=0)
    path = images.folder / "images.bin"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(InputError, match="damaged: delete the folder"):
        images.crops(torch.tensor([2]), torch.tensor([[0, 0, 4, 4]]))


def test_what_a_folder_is_can_be_read(raw: StoredImages) -> None:
    about = json.loads((raw.folder / "about.json").read_text())
    assert about.pop("decoder").startswith("1, Pillow ")
    assert about == {
        "root": str(raw.folder.parents[1]),
        "count": len(SHAPES),
        "format": "raw",
        "stored_size": STORED,
    }
