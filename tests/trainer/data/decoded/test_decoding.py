from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectives import InputError
from trainer.data.decoded.decoding import decode, stored_pixels

from .pictures import noise, truncate


def colour(image: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(image[:, row, column].tolist())


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def halves(width: int = 32, height: int = 16) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def test_the_whole_image_is_kept(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 16), "lime")
    image.paste(halves(), (16, 0))
    image.save(tmp_path / "a.png")
    found = decode(str(tmp_path / "a.png"), 8)
    assert found.shape == (3, 8, 32)
    assert [colour(found, 4, column) for column in (2, 10, 21, 29)] == [
        (0, 255, 0),
        (255, 0, 0),
        (0, 0, 255),
        (0, 255, 0),
    ]


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((375, 500), (256, 341)),
        ((500, 375), (341, 256)),
        ((256, 300), (256, 300)),
        ((255, 900), (255, 900)),  # never enlarged
        ((1, 1), (1, 1)),
        ((1, 3000), (1, 3000)),
        ((257, 258), (256, 257)),
    ],
)
def test_shapes(tmp_path: Path, shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    path = str(tmp_path / "a.png")
    noise(*shape).save(path)
    assert decode(path, 256).shape == (3, *wanted)
    assert stored_pixels(path, 256) == wanted[0] * wanted[1]


def test_reduced_as_pillow_does(tmp_path: Path) -> None:
    image = noise(90, 140)
    image.save(tmp_path / "a.png")
    found = decode(str(tmp_path / "a.png"), 40).astype(int)
    wanted = np.asarray(image.resize((62, 40), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(found - wanted.transpose(2, 0, 1)).max() <= 1


def test_a_small_image_keeps_its_pixels(tmp_path: Path) -> None:
    image = noise(20, 31)
    image.save(tmp_path / "a.png")
    found = decode(str(tmp_path / "a.png"), 20)
    assert np.array_equal(found, np.asarray(image).transpose(2, 0, 1))


def test_large_jpeg(tmp_path: Path) -> None:
    halves(640, 480).save(tmp_path / "a.jpg", quality=95)
    found = decode(str(tmp_path / "a.jpg"), 16)
    assert found.shape == (3, 16, 21)
    assert near(colour(found, 8, 1), (254, 0, 0))
    assert near(colour(found, 8, 19), (0, 0, 254))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves(64, 32).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = decode(str(tmp_path / "a.jpg"), 16)
    left_or_top, right_or_bottom = (254, 0, 0), (0, 0, 254)
    if orientation in (2, 3, 7, 8):  # mirrored or turned so that the left comes last
        left_or_top, right_or_bottom = right_or_bottom, left_or_top
    upright = found if orientation <= 4 else found.transpose(0, 2, 1)
    assert upright.shape == (3, 16, 32)
    assert near(colour(upright, 8, 2), left_or_top)
    assert near(colour(upright, 8, 29), right_or_bottom)


def test_odd_tags_beside_the_orientation(tmp_path: Path) -> None:
    orientation, resolution = b"\x12\x01\3\0\1\0\0\0\6\0\0\0", b"\x1a\x01\2\0\4\0\0\0abcd"
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + orientation + resolution + b"\0\0\0\0"
    halves(64, 32).save(tmp_path / "a.jpg", exif=exif)
    assert decode(str(tmp_path / "a.jpg"), 16).shape == (3, 32, 16)


def test_alpha_is_put_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("LA", (8, 8), (0, 51)).save(tmp_path / "faint.png")
    assert colour(decode(str(tmp_path / "clear.png"), 8), 4, 4) == (255, 255, 255)
    assert colour(decode(str(tmp_path / "faint.png"), 8), 4, 4) == (204, 204, 204)


def test_palette(tmp_path: Path) -> None:
    image = halves(8, 8).quantize(4)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.gif")
    index = image.getpixel((0, 0))
    image.save(tmp_path / "clear.png", transparency=index)
    for name in ("a.png", "a.gif"):
        assert colour(decode(str(tmp_path / name), 8), 4, 1) == (255, 0, 0)
    clear = decode(str(tmp_path / "clear.png"), 8)
    assert colour(clear, 4, 1) == (255, 255, 255)
    assert colour(clear, 4, 6) == (0, 0, 255)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), name) for name in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert colour(decode(str(tmp_path / "a.gif"), 8), 4, 4) == (255, 0, 0)


@pytest.mark.parametrize(("value", "wanted"), [(0, 0), (257 * 100, 100), (65535, 255)])
def test_sixteen_bit(tmp_path: Path, value: int, wanted: int) -> None:
    Image.fromarray(np.full((8, 8), value, dtype=np.uint16)).save(tmp_path / "a.png")
    assert colour(decode(str(tmp_path / "a.png"), 8), 4, 4) == (wanted,) * 3


@pytest.mark.parametrize(("mode", "suffix"), [("L", "png"), ("1", "png"), ("CMYK", "jpg")])
def test_other_modes_become_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    assert near(colour(decode(str(path), 8), 4, 4), (255, 255, 255))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad.{suffix}"
    noise(64, 64).save(path)
    truncate(path)
    with pytest.raises(InputError, match=rf"bad\.{suffix}: cannot be read as an image \("):
        decode(str(path), 8)
    assert stored_pixels(str(path), 8) == 64  # its header is whole


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_empty_and_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.png: .*\(empty, or of an unknown format\)$"):
        decode(str(path), 8)
    assert stored_pixels(str(path), 8) is None


def test_missing_file_and_float_pixels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: there is no such file$") as caught:
        decode(str(tmp_path / "gone.png"), 8)
    assert caught.value.file == tmp_path / "gone.png"
    Image.new("F", (8, 8)).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"f\.tif: .*floating-point pixels"):
        decode(str(tmp_path / "f.tif"), 8)
