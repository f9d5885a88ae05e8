"""Records of official data sets: where their files lie, who reads them, and what must be found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["Count", "Layout", "OfficialImage", "OfficialSet", "Part"]

# The test half, or where it has queries and a gallery these two.
Part = Literal["train", "test", "query", "gallery"]


class OfficialImage(NamedTuple):
    """One image of an official list.

    Attributes:
        file: Its path, relative to the folder that the lists start at.
        class_name: Its class.
        part: The part that the authors, or the protocol, have put it into.
    """

    file: str
    class_name: str
    part: Part


@dataclass(frozen=True, kw_only=True)
class Count:
    """Numbers of images, and of their classes."""

    images: int
    classes: int

    def __str__(self) -> str:
        return f"{self.images} images of {self.classes} classes"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One form in which an official data set is handed round.

    Attributes:
        needs: Files and folders that must be there, each with what to download for it.
        read: Lists the images; it is handed the folder that has what is needed.
        images: The folder, below that one, that the lists' paths start at.

    ``read`` raises `objectives.InputError`: a line cannot be understood.
    """

    needs: Mapping[str, str]
    read: Callable[[Path], Iterable[OfficialImage]]
    images: str = ""


@dataclass(frozen=True, kw_only=True)
class OfficialSet:
    """An official data set.

    Attributes:
        title: Its name in messages.
        folder: The folder that its archive unpacks to; ``root`` may be it, or hold it.
        layouts: Its forms, the one to recommend first.
        counts: What the lists must hold.
    """

    title: str
    folder: str
    layouts: tuple[Layout, ...]
    counts: Mapping[Part, Count]
