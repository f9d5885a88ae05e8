"""The embedded data set ``glyphs``: characters in the typefaces that matplotlib ships.

A class is a letter, digit or symbol, its instances are its renderings in DejaVu Sans, DejaVu Sans
Mono, DejaVu Serif and STIX, each upright and italic, regular and bold: a many-class open world
that needs no download. Classes are chosen from the outlines in font units, so they are the same
everywhere; all are drawn at one scale on one baseline, so that o and O differ.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trainer.data.dataset import Dataset, TensorImages
from trainer.data.outlines import Outline, merge_identical, read_outlines

__all__ = ["FACES", "MIN_FACES", "load_glyphs"]

FACES: Final = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
)
# A class needs this many typefaces in which it does not look just as it does in another one.
MIN_FACES: Final = 12

_BLOCKS: Final = (
    range(0x0021, 0x0180),  # Basic Latin, Latin-1 Supplement, Latin Extended-A
    range(0x0250, 0x02B0),  # IPA Extensions
    range(0x0370, 0x0460),  # Greek, the Cyrillic of living languages
    range(0x2010, 0x2400),  # punctuation, super- and subscripts, currency, arrows, mathematics
)
# Unicode 3.2 is the one version that every Python carries beside its own.
_UNICODE: Final = unicodedata.ucd_3_2_0
# Of the side of an image: the em, how far the baseline lies above the lower edge, and what must
# stay free along each edge.
_EM: Final = 0.75
_BASELINE: Final = 0.25
_MARGIN: Final = 1 / 64
# Glyphs are drawn on a canvas of this side and scaled down, so that hinting leaves no trace.
_CANVAS: Final = 128

_Classes = dict[int, dict[str, Outline]]


def load_glyphs(size: int) -> Dataset:
    """Return the glyphs, dark on white, as N x 1 x ``size`` x ``size``.

    A class is named by its code point and its Unicode name, an item by code point and typeface.
    """
    classes = _classes()
    fonts = {face: _font(face) for face in FACES}
    items, labels, pixels = [], [], []
    for label, (code, outlines) in enumerate(classes.items()):
        for face, outline in outlines.items():
            items.append(f"U+{code:04X}/{face}")
            labels.append(label)
            pixels.append(_draw(chr(code), fonts[face], outline, size))
    return Dataset(
        name="glyphs",
        items=tuple(items),
        labels=torch.tensor(labels),
        class_names=tuple(f"U+{code:04X} {_UNICODE.name(chr(code))}" for code in classes),
        images=TensorImages(pixels=torch.from_numpy(np.stack(pixels)).unsqueeze(1)),
        image_size=size,
        crop_share=1.0,
    )


def _classes() -> _Classes:
    """Return the outlines of each class by code point and typeface."""
    codes = tuple(_candidates())
    found: _Classes = {code: {} for code in codes}
    for face in FACES:
        for code, outline in read_outlines(_path(face), codes).items():
            if _fits(outline):
                found[code][face] = outline
    found = {code: _distinct(outlines) for code, outlines in found.items()}
    found = {code: outlines for code, outlines in found.items() if len(outlines) >= MIN_FACES}
    by_face = (
        {code: faces[face] for code, faces in found.items() if face in faces} for face in FACES
    )
    lowest = merge_identical(by_face)
    return {code: outlines for code, outlines in found.items() if lowest[code] == code}


def _candidates() -> Iterator[int]:
    """Yield the code points of letters, digits, symbols and punctuation."""
    for block in _BLOCKS:
        yield from (code for code in block if _UNICODE.category(chr(code))[0] in "LNSP")


def _fits(outline: Outline) -> bool:
    width, low, high = (extent / outline.em * _EM for extent in outline.box)
    room = 1.0 - _MARGIN
    return width <= room - _MARGIN and low >= _MARGIN - _BASELINE and high <= room - _BASELINE


def _distinct(outlines: Mapping[str, Outline]) -> dict[str, Outline]:
    """Keep the first of those typefaces in which the glyph has the very same outline."""
    first: dict[bytes, str] = {}
    for face, outline in outlines.items():
        first.setdefault(outline.points.tobytes(), face)
    return {face: outlines[face] for face in first.values()}


def _path(face: str) -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"


def _font(face: str) -> ImageFont.FreeTypeFont:
    # The other layout engine is not in every build of Pillow.
    basic = ImageFont.Layout.BASIC
    return ImageFont.truetype(str(_path(face)), int(_EM * _CANVAS), layout_engine=basic)


def _draw(
    text: str, font: ImageFont.FreeTypeFont, outline: Outline, size: int
) -> NDArray[np.uint8]:
    """Draw one glyph, centred horizontally, on the common baseline."""
    image = Image.new("L", (_CANVAS, _CANVAS), 255)
    middle = (outline.left + outline.box[0] / 2) / outline.em * _EM
    origin = (_CANVAS * (0.5 - middle), _CANVAS * (1.0 - _BASELINE))
    ImageDraw.Draw(image).text(origin, text, fill=0, font=font, anchor="ls")
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))
