"""Listing of an official data set: found, read and checked against its record."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from objectives import InputError
from trainer.data.listing import Listing
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet
from trainer.data.split_names import Split

__all__ = ["list_official"]


def list_official(record: OfficialSet, root: Path) -> Listing:
    """List an official data set, its classes in ``train`` and ``test``.

    Args:
        record: The data set.
        root: The folder that its archives were unpacked to, or the one that they unpack to.

    Raises:
        InputError: A file is missing or cannot be understood, a class lies in both halves, or
            there are not the images and classes that there should be.
    """
    home, layout = _find(record, root)
    images = list(layout.read(home))
    _check_counts(record, images, home)
    files = [image.file for image in images]
    halves = _halves(record, images, home)
    queries = [image.part == "query" for image in images]
    return Listing.ordered(
        home / layout.images,
        files=files,
        items=files,
        labels=[image.class_name for image in images],
        parts=halves,
        queries=queries if "query" in record.counts else None,
    )


def _find(record: OfficialSet, root: Path) -> tuple[Path, Layout]:
    """Return the first place and layout that lack nothing, or complain of the one nearest to it."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder", field="data.root")
    places = [(home, layout) for home in (root, root / record.folder) for layout in record.layouts]
    home, layout = max(places, key=lambda place: -sum(1 for _ in _missing(*place)))
    missing = next(_missing(home, layout), None)
    if missing is not None:
        raise InputError(
            f"there is no {missing} of {record.title} in {home}; it is in {layout.needs[missing]}",
            field="data.root",
        )
    return home, layout


def _missing(home: Path, layout: Layout) -> Iterator[str]:
    return (need for need in layout.needs if not (home / need).exists())


def _check_counts(record: OfficialSet, images: Sequence[OfficialImage], home: Path) -> None:
    for part, expected in record.counts.items():
        classes = [image.class_name for image in images if image.part == part]
        found = Count(images=len(classes), classes=len(set(classes)))
        if found != expected:
            raise InputError(
                f"the {part} part of {record.title} has {expected}, but the lists in {home} have "
                f"{found}",
                field="data.root",
            )


def _halves(record: OfficialSet, images: Sequence[OfficialImage], home: Path) -> dict[str, Split]:
    halves: dict[str, Split] = {}
    for image in images:
        half: Split = "train" if image.part == "train" else "test"
        if halves.setdefault(image.class_name, half) != half:
            raise InputError(
                f"class {image.class_name!r} of {record.title} is in both halves in {home}",
                field="data.root",
            )
    return halves
