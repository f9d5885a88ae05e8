"""Outlines of a typeface's glyphs in font units, and which of them look the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.ft2font import FT2Font, LoadFlags
from numpy.typing import NDArray

__all__ = ["Outline", "merge_identical", "read_outlines"]

# Side in ems of the cells by which outlines are compared, and the number of cells in a row. Two
# outlines are alike where each point of either has a point of the other in its own cell or a
# neighbouring one: within half a pixel surely, beyond a whole one never, at 24 pixels an em.
_CELL: Final = 1 / 48
_ROW: Final = 128
# Curves have control points halfway between two others; doubled, every coordinate is an integer.
_GRID: Final = 2
_CLOSE: Final = 79


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """The points of one glyph, in half font units.

    Attributes:
        points: K x 2 int64, x from the leftmost point, y upwards from the baseline.
        left: x of the leftmost point, from the origin.
        em: Side of the em square.
    """

    points: NDArray[np.int64]
    left: int
    em: int

    @property
    def box(self) -> tuple[int, int, int]:
        """Width, lowest y and highest y."""
        low, high = self.points.min(0), self.points.max(0)
        return int(high[0]), int(low[1]), int(high[1])


def read_outlines(path: Path, codes: Iterable[int]) -> dict[int, Outline]:
    """Return the outlines of those code points that the typeface has, blank glyphs left out."""
    face = FT2Font(str(path))
    em: int = face.units_per_EM
    # At a size of one em in pixels, unhinted coordinates are font units.
    face.set_size(em, 72)
    charmap = face.get_charmap()
    outlines = {}
    for code in codes:
        if code in charmap:
            face.load_char(code, flags=LoadFlags.NO_HINTING)
            vertices, kinds = face.get_path()
            points = np.rint(vertices[kinds != _CLOSE] * _GRID).astype(np.int64)
            if len(points):
                left = int(points[:, 0].min())
                outlines[code] = Outline(points=points - (left, 0), left=left, em=em * _GRID)
    return outlines


def merge_identical(faces: Iterable[Mapping[int, Outline]]) -> dict[int, int]:
    """Map each code point to the lowest one that looks the same.

    Two code points look the same if in at least half of the typefaces that have both, their
    outlines are alike up to a horizontal shift; and so do all that are linked by such pairs.
    """
    same: Counter[tuple[int, int]] = Counter()
    having: dict[int, set[int]] = {}
    for number, outlines in enumerate(faces):
        same.update(_alike_pairs(outlines))
        for code in outlines:
            having.setdefault(code, set()).add(number)
    root = {code: code for code in having}
    for (low, high), count in sorted(same.items()):
        if 2 * count >= len(having[low] & having[high]):
            first, second = sorted((_find(root, low), _find(root, high)))
            root[second] = first
    return {code: _find(root, code) for code in root}


def _find(root: Mapping[int, int], code: int) -> int:
    while root[code] != code:
        code = root[code]
    return code


def _alike_pairs(outlines: Mapping[int, Outline]) -> Iterator[tuple[int, int]]:
    """Yield the pairs (lower code, higher code) with alike outlines in one typeface."""
    codes = sorted(outlines)
    if not codes:
        return
    boxes = np.array([outlines[code].box for code in codes])
    limit = int(outlines[codes[0]].em * _CELL * 2)
    cells = [_cells(outlines[code]) for code in codes]
    around = [_grown(mask) for mask in cells]
    for first, code in enumerate(codes):
        close = (np.abs(boxes[first + 1 :] - boxes[first]) <= limit).all(1)
        for second in (first + 1 + np.flatnonzero(close)).tolist():
            if not (cells[first] & ~around[second] or cells[second] & ~around[first]):
                yield code, codes[second]


def _cells(outline: Outline) -> int:
    """Return the occupied cells as a set of bits, one row after another."""
    side = int(outline.em * _CELL)
    columns, rows = ((outline.points // side) + (1, _ROW // 2)).T
    occupied = np.zeros(2 * _ROW * _ROW, dtype=np.bool_)
    occupied[rows * _ROW + columns] = True
    return int.from_bytes(np.packbits(occupied).tobytes(), "big")


def _grown(mask: int) -> int:
    """Add the eight neighbours of each cell."""
    mask |= mask << 1 | mask >> 1
    return mask | mask << _ROW | mask >> _ROW
