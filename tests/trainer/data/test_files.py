from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from objectives import InputError
from trainer.data import FileImages, TensorImages, files
from trainer.data.files import decode, load_images

from .pixels import pixels_of


def colour(image: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(image[:, row, column].tolist())


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def halves(width: int = 32, height: int = 16) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def test_resized_on_the_short_side_and_cropped_to_the_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 16), "lime")
    image.paste(halves(), (16, 0))
    image.save(tmp_path / "a.png")
    found = decode(tmp_path / "a.png", 8)
    assert found.shape == (3, 8, 8)
    assert colour(found, 4, 1) == (255, 0, 0)
    assert colour(found, 4, 6) == (0, 0, 255)
    assert found[1].max() == 0  # of the green sides nothing is left


def test_large_jpeg(tmp_path: Path) -> None:
    halves(640, 480).save(tmp_path / "a.jpg", quality=95)
    found = decode(tmp_path / "a.jpg", 16)
    assert near(colour(found, 8, 1), (254, 0, 0))
    assert near(colour(found, 8, 14), (0, 0, 254))


def test_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    halves(16, 16).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = decode(tmp_path / "a.jpg", 16)
    assert near(colour(found, 8, 1), (0, 0, 254))
    assert near(colour(found, 8, 14), (254, 0, 0))


def test_alpha_is_put_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("LA", (8, 8), (0, 51)).save(tmp_path / "faint.png")
    assert colour(decode(tmp_path / "clear.png", 8), 4, 4) == (255, 255, 255)
    assert colour(decode(tmp_path / "faint.png", 8), 4, 4) == (204, 204, 204)


def test_palette(tmp_path: Path) -> None:
    image = halves(8, 8).quantize(4)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.gif")
    index = image.getpixel((0, 0))
    image.save(tmp_path / "clear.png", transparency=index)
    for name in ("a.png", "a.gif"):
        assert colour(decode(tmp_path / name, 8), 4, 1) == (255, 0, 0)
    assert colour(decode(tmp_path / "clear.png", 8), 4, 1) == (255, 255, 255)
    assert colour(decode(tmp_path / "clear.png", 8), 4, 6) == (0, 0, 255)


@pytest.mark.parametrize(("value", "wanted"), [(0, 0), (257 * 100, 100), (65535, 255)])
def test_sixteen_bit(tmp_path: Path, value: int, wanted: int) -> None:
    Image.fromarray(np.full((8, 8), value, dtype=np.uint16)).save(tmp_path / "a.png")
    assert colour(decode(tmp_path / "a.png", 8), 4, 4) == (wanted,) * 3


@pytest.mark.parametrize(("mode", "suffix"), [("L", "png"), ("1", "png"), ("CMYK", "jpg")])
def test_other_modes_become_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    assert near(colour(decode(path, 8), 4, 4), (255, 255, 255))


def broken(path: Path) -> None:
    """Write a file whose header is whole and whose pixels are not."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_file_is_found_at_load(tmp_path: Path, suffix: str) -> None:
    halves().save(tmp_path / "good.png")
    path = tmp_path / f"bad.{suffix}"
    broken(path)
    with pytest.raises(InputError, match=rf"bad\.{suffix}: cannot be read as an image \("):
        load_images((tmp_path / "good.png", path), 8)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_empty_and_foreign_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.png: .*\(empty, or of an unknown format\)$"):
        load_images((tmp_path / "bad.png",), 8)


def test_missing_file_and_float_pixels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: there is no such file$"):
        decode(tmp_path / "gone.png", 8)
    Image.new("F", (8, 8)).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"f\.tif: .*floating-point pixels"):
        decode(tmp_path / "f.tif", 8)


def test_in_memory_and_on_demand_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = tuple(tmp_path / f"{k}.png" for k in range(5))
    for k, path in enumerate(paths):
        Image.new("RGB", (8, 8), (k, 2 * k, 3 * k)).save(path)
    held = load_images(paths, 8)
    monkeypatch.setattr(files, "MEMORY_LIMIT", 5 * 3 * 64 - 1)
    lazy = load_images(paths, 8)
    assert isinstance(held, TensorImages)
    assert isinstance(lazy, FileImages)
    assert (len(lazy), lazy.channels) == (len(held), held.channels)
    assert torch.equal(lazy.shapes, held.shapes)
    wanted = torch.tensor([4, 0, 4, 2])
    assert torch.equal(pixels_of(lazy, wanted), pixels_of(held, wanted))
    assert pixels_of(held, wanted)[:, 2, 0, 0].tolist() == [12, 0, 12, 6]


def test_on_demand_checks_headers_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MEMORY_LIMIT", 0)
    broken(tmp_path / "late.png")
    late = load_images((tmp_path / "late.png",), 8)
    with pytest.raises(InputError, match=r"late\.png"):
        pixels_of(late)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.png"):
        load_images((tmp_path / "bad.png",), 8)
    with pytest.raises(InputError, match=r"gone\.png: there is no such file"):
        load_images((tmp_path / "gone.png",), 8)


def test_tensor_images_need_bytes() -> None:
    with pytest.raises(ValueError, match="uint8"):
        TensorImages(pixels=torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="N x C x H x W"):
        TensorImages(pixels=torch.zeros(1, 8, 8, dtype=torch.uint8))


def test_crops_of_images_in_memory() -> None:
    images = TensorImages(pixels=torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5))
    assert images.shapes.tolist() == [[4, 5], [4, 5]]
    boxes = torch.tensor([[1, 2, 3, 1], [0, 0, 2, 4]])
    found = images.crops(torch.tensor([1, 0]), boxes)
    assert found.shape == (2, 3, 3, 4)
    assert torch.equal(found[0, :, :, :1], images.pixels[1, :, 1:4, 2:3])
    assert torch.equal(found[1, :, :2], images.pixels[0, :, :2, :4])
    assert not found[0, :, :, 1:].any()
    assert not found[1, :, 2:].any()
    assert torch.equal(pixels_of(images), images.pixels)
