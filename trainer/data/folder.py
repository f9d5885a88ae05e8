"""Listing of a folder of class folders."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from objectives import InputError
from trainer.data.listing import Listing

__all__ = ["IMAGE_SUFFIXES", "list_folder"]

IMAGE_SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def list_folder(folder: Path) -> Listing:
    """List the images below each class folder.

    Hidden files and files without an image's suffix (`IMAGE_SUFFIXES`) are left out. No link to a
    folder is followed, but for class folders. Links to images are images, even where they lead
    nowhere: who opens them will miss them.

    Raises:
        InputError: It is no folder, has no class folders, has images or links to nothing beside
            them, or a class folder has no images or cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", field="data.folder")
    entries = sorted(_entries(folder), key=lambda entry: entry.name)
    loose = [entry.name for entry in entries if _is_image(entry)]
    if loose:
        raise InputError(
            f"{loose[0]} lies in {folder} itself, not in a class folder", field="data.folder"
        )
    lost = [entry.name for entry in entries if entry.is_symlink() and not os.path.exists(entry)]
    if lost:
        raise InputError(f"the link {folder / lost[0]} leads nowhere", field="data.folder")
    classes = [entry.name for entry in entries if entry.is_dir()]
    if not classes:
        raise InputError(f"{folder} has no class folders", field="data.folder")
    files, labels = list[str](), list[str]()
    for name in classes:
        found = list(_images(folder / name, name))
        if not found:
            raise InputError(f"the class folder {folder / name} has no images", field="data.folder")
        files += found
        labels += [_composed(name)] * len(found)
    return Listing.ordered(folder, files=files, items=[*map(_composed, files)], labels=labels)


def _images(folder: Path, below: str) -> Iterator[str]:
    """Yield the images of a folder and the folders in it, as paths that begin with ``below``."""
    for entry in _entries(folder):
        if _is_image(entry):
            yield f"{below}/{entry.name}"
        elif entry.is_dir(follow_symlinks=False):
            yield from _images(folder / entry.name, f"{below}/{entry.name}")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({error.strerror})", field="data.folder"
        ) from error


def _is_image(entry: os.DirEntry[str]) -> bool:
    if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:
        return False
    return not os.path.isdir(entry) if entry.is_symlink() else entry.is_file()


def _composed(text: str) -> str:
    # Some file systems decompose accented letters, and others do not.
    return unicodedata.normalize("NFC", text)
