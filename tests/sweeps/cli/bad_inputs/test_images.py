"""Image files that cannot be read, and odd ones that can."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sweeps.cli.place import Place
from tests.sweeps.command import Command
from trainer import DataConfig, load_data

from .refusal import Case, cases, check_refused

Make = Callable[[Path], object]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(width: int, height: int) -> bytes:
    """Return a black image of one bit a pixel, small on disk whatever its sides."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


JPEG = encoded(noise(64, 64), "JPEG")
PNG = encoded(noise(64, 64), "PNG")


def image(name: str, make: Make | bytes) -> Callable[[Place], list[object]]:
    """Return the command of a sweep over good images and this one."""

    def arguments(place: Place) -> list[object]:
        folder = place.images("photos")
        file = folder / "class3" / name
        file.write_bytes(make) if isinstance(make, bytes) else make(file)
        return ["run", place.spec(data={"folder": str(folder)})]

    return arguments


def loop(file: Path) -> None:
    file.symlink_to(file)


BAD: list[Case] = [
    ("a truncated JPEG", image("x.jpg", JPEG[: len(JPEG) // 2]), "class3/x.jpg: cannot be read as"),
    ("a truncated PNG", image("x.png", PNG[: len(PNG) // 2]), "class3/x.png: cannot be read as"),
    ("a header alone", image("x.jpg", JPEG[:2]), "class3/x.jpg: cannot be read as an image"),
    ("an empty file", image("x.jpg", b""), "class3/x.jpg: cannot be read as an image (empty"),
    ("a text", image("x.png", b"no image"), "class3/x.png: cannot be read as an image (empty, or"),
    ("a page", image("x.gif", b"<html></html>"), "class3/x.gif: cannot be read as an image"),
    ("flipped bits", image("x.png", PNG[:60] + b"\xff" * 40 + PNG[100:]), "class3/x.png: cannot"),
    ("200 megapixels", image("x.png", png(20_000, 10_000)), "class3/x.png: cannot be read as"),
    ("no pixels", image("x.png", png(0, 5)), "class3/x.png: cannot be read as an image"),
    ("sides beyond reason", image("x.png", png(2**31 - 1, 1)[:60]), "class3/x.png: cannot be"),
    (
        "floating point",
        image("x.tiff", encoded(Image.new("F", (9, 9)), "TIFF")),
        "class3/x.tiff: cannot be read as an image (floating-point pixels",
    ),
    ("a link to nothing", image("x.jpg", lambda f: f.symlink_to("no.jpg")), "class3/x.jpg: there"),
    ("a link to itself", image("x.jpg", loop), "class3/x.jpg: cannot be read as an image"),
    ("control characters", image("x\n\x1b[31m.png", b""), "class3/x\\n\\x1b[31m.png: cannot be"),
    ("a name not in UTF-8", image(os.fsdecode(b"\xff.png"), b""), "class3/\\udcff.png: cannot be"),
    (
        "a link out to a text",
        image("x.png", lambda f: f.symlink_to(f.parents[2] / "good.yaml")),
        "class3/x.png: cannot be read as an image",
    ),
]


@cases(BAD)
def test_bad_images(
    command: Command, place: Place, arguments: Callable[[Place], list[object]], said: str
) -> None:
    check_refused(command, arguments(place), said)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_image_without_permission(command: Command, place: Place) -> None:
    arguments = image("x.png", PNG)(place)
    (place.folder / "photos" / "class3" / "x.png").chmod(0)
    check_refused(command, arguments, "class3/x.png: cannot be read as an image (")


FRAMES = [Image.new("L", (9, 9), value) for value in (0, 255)]
ODD: dict[str, tuple[str, bytes]] = {
    "16-bit PNG": ("x.png", encoded(Image.new("I;16", (9, 9), 40_000), "PNG")),
    "16-bit TIFF": ("x.tif", encoded(Image.new("I;16", (9, 9), 40_000), "TIFF")),
    "grey": ("x.png", encoded(Image.new("L", (9, 9)), "PNG")),
    "one bit": ("x.png", encoded(Image.new("1", (9, 9)), "PNG")),
    "palette": ("x.png", encoded(noise(9, 9).quantize(8), "PNG")),
    "a clear palette": ("x.png", encoded(noise(9, 9).quantize(8), "PNG", transparency=0)),
    "CMYK": ("x.jpg", encoded(Image.new("CMYK", (9, 9)), "JPEG")),
    "alpha": ("x.png", encoded(Image.new("RGBA", (9, 9)), "PNG")),
    "grey and alpha": ("x.webp", encoded(Image.new("LA", (9, 9)).convert("RGBA"), "WEBP")),
    "an animation": ("x.gif", encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:])),
    "one pixel": ("x.png", encoded(Image.new("RGB", (1, 1)), "PNG")),
    "a line": ("x.png", encoded(Image.new("RGB", (20_000, 1)), "PNG")),
    "another format than its name": ("x.jpg", PNG),
    "a name of another alphabet": ("фото ☃.png", PNG),
    "a name not in UTF-8": (os.fsdecode(b"\xe9.png"), PNG),
    "a name with a line break": ("a\nb.png", PNG),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_images_are_taken(place: Place, kind: str) -> None:
    name, content = ODD[kind]
    folder = place.images("photos")
    (folder / "class3" / name).write_bytes(content)
    (folder / "class3" / "folder.jpg").mkdir()  # no image, but where some may lie
    split = load_data(DataConfig(folder=folder, image_size=8), cache=place.folder / "cache")
    assert len(split.dataset.items) == 17
