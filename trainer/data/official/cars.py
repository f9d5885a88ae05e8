"""Cars-196: 196 models of cars (Krause et al., 3dRR workshop of ICCV 2013)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from objectives import InputError
from trainer.data.official.lines import fields_of, number_in
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet, Part

__all__ = ["CARS"]

_LAST_OF_TRAIN: Final = 98
_PAGE: Final = "https://ai.stanford.edu/~jkrause/cars/car_dataset.html"
_MIRROR: Final = f"a mirror of {_PAGE} with annotations as CSV"


def _read_whole(home: Path) -> Iterator[OfficialImage]:
    file = home / "cars_annos.mat"
    names = _variable(file, "class_names")
    for path, number in _annotations(file, "relative_im_path"):
        yield _car(path, number, names, file)


def _read_halves(home: Path) -> Iterator[OfficialImage]:
    names = _variable(home / "devkit/cars_meta.mat", "class_names")
    for folder, name in (
        ("cars_train", "devkit/cars_train_annos.mat"),
        ("cars_test", "cars_test_annos_withlabels.mat"),
    ):
        for path, number in _annotations(home / name, "fname"):
            yield _car(f"{folder}/{path}", number, names, home / name)


def _read_csv(home: Path) -> Iterator[OfficialImage]:
    names = [name for (name,) in fields_of(home / "names.csv", 1)]
    for folder, name in (("train", "anno_train.csv"), ("test", "anno_test.csv")):
        for (line,) in fields_of(home / name, 1):
            path, _, rest = line.partition(",")
            number = number_in(rest.rpartition(",")[2], home / name)
            car = _car(path, number, names, home / name)
            below = f"car_data/car_data/{folder}/{car.class_name.replace('/', '-')}"
            yield car._replace(file=f"{below}/{path}")


def _car(file: str, number: int, names: Sequence[str], source: Path) -> OfficialImage:
    """Return an image; which half it is in, its class says, and no flag for classification."""
    if not 1 <= number <= len(names):
        raise InputError(f"{file} has class {number}, and names are {len(names)}", file=source)
    part: Part = "train" if number <= _LAST_OF_TRAIN else "test"
    return OfficialImage(file, str(names[number - 1]), part)


def _annotations(file: Path, path: str) -> Iterator[tuple[str, int]]:
    """Yield the path and the number of the class of each image in a MATLAB file."""
    cars = _variable(file, "annotations")
    for field in (path, "class"):
        if field not in (cars.dtype.names or ()):
            raise InputError(f"its annotations have no {field}", file=file)
    yield from zip(map(str, cars[path]), map(int, cars["class"]), strict=True)


def _variable(file: Path, variable: str) -> Any:
    """Return a row of cells or records of a MATLAB file as an array."""
    # Imported here: no other data set needs it.
    import numpy as np
    from scipy.io import loadmat

    try:
        return np.atleast_1d(loadmat(file, squeeze_me=True, variable_names=[variable])[variable])
    except KeyError:
        raise InputError(f"has no {variable}", file=file) from None
    except Exception as error:  # the reader raises all sorts of things on bytes that it cannot read
        raise InputError(f"cannot be read as a MATLAB file ({error})", file=file) from error


CARS: Final = OfficialSet(
    title="Cars-196",
    folder="stanford_cars",
    layouts=(
        Layout(
            needs={
                "cars_annos.mat": f"cars_annos.mat from {_PAGE}",
                "car_ims/": f"car_ims.tgz from {_PAGE}",
            },
            read=_read_whole,
        ),
        Layout(
            needs={
                "devkit/cars_meta.mat": f"car_devkit.tgz from {_PAGE}",
                "devkit/cars_train_annos.mat": f"car_devkit.tgz from {_PAGE}",
                "cars_test_annos_withlabels.mat": f"cars_test_annos_withlabels.mat from {_PAGE}",
                "cars_train/": f"cars_train.tgz from {_PAGE}",
                "cars_test/": f"cars_test.tgz from {_PAGE}",
            },
            read=_read_halves,
        ),
        Layout(
            needs=dict.fromkeys(
                ("names.csv", "anno_train.csv", "anno_test.csv", "car_data/car_data/"), _MIRROR
            ),
            read=_read_csv,
        ),
    ),
    counts={
        "train": Count(images=8054, classes=98),
        "test": Count(images=8131, classes=98),
    },
)
