"""Management of sweeps that are there: archived, renamed, deleted."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from objectives import InputError
from sweeps.execution.lease import Lease, this_process
from sweeps.execution.mirrors import mirror_failure, mirror_of
from sweeps.execution.places import Places
from sweeps.home import Home
from sweeps.results import ranked_trials, write_front
from sweeps.spec import usable_name
from sweeps.store import Store, open_store

__all__ = ["archive_sweep", "delete_sweep", "rename_sweep"]


def archive_sweep(
    name: str, *, undo: bool = False, home: Home | None = None, store_url: str | None = None
) -> None:
    """Archive a sweep: `sweeps list` leaves it out, and all else is as it was.

    Args:
        name: The sweep.
        undo: Whether to list it again instead.
        home: As `sweeps.run_sweep`.
        store_url: SQLAlchemy URL of the store.

    Raises:
        InputError: There is no such sweep, or the store cannot be opened.
    """
    with open_store(store_url or (home or Home()).store_url) as store:
        store.archive_sweep(name, undo=undo)


def rename_sweep(
    name: str,
    new_name: str,
    *,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
) -> str | None:
    """Give a sweep another name: in the store, in the home and in MLflow.

    In MLflow only the parameter ``name`` stays, for it never changes one. Where MLflow cannot be
    reached, its runs get the new name when they are next mirrored, such as by `replay_sweep`.

    Args:
        name: The sweep.
        new_name: What it is to be called, as a spec may call it.
        home: As `sweeps.run_sweep`, like all that follow.
        store_url: SQLAlchemy URL of the store.
        tracking_uri: MLflow's.

    Returns:
        Why MLflow is not level with the store; None if it is.

    Raises:
        InputError: There is no such sweep, another process carries it out, the new name is taken,
            or none that a sweep may have, or a folder cannot be moved: then nothing has changed.
    """
    places = Places(home=home, store=store_url, tracking=tracking_uri)
    driver = this_process()
    with open_store(places.store_url) as store:
        store.sweep(name)
        moves = places.root.folders(name), places.root.folders(usable_name(new_name))
        _check_free(store, new_name, *moves)  # at once, not after a wait for the lease
        with (
            Lease.take(store, name, driver=driver) as lease,
            _moved(*moves),
            lease.held(),
        ):
            store.rename_sweep(name, new_name)
        with Lease(store, new_name, driver):
            return _bring_level(store, new_name, places)


def delete_sweep(
    name: str,
    *,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
) -> str | None:
    """Delete a sweep for good: its record, its folders under the home, and its runs in MLflow.

    What sweeps share, such as decoded images, stays. MLflow hides its runs until ``mlflow gc``. The
    record goes last, so that a call that does not come to its end can be repeated.

    Args:
        name: The sweep.
        home: As `sweeps.run_sweep`, like all that follow.
        store_url: SQLAlchemy URL of the store.
        tracking_uri: MLflow's.

    Returns:
        Why MLflow has its runs still; None if it has not.

    Raises:
        InputError: There is no such sweep, another process carries it out, or a folder cannot be
            removed: then its record is still there.
    """
    places = Places(home=home, store=store_url, tracking=tracking_uri)
    with (
        open_store(places.store_url) as store,
        Lease.take(store, name, driver=this_process()) as lease,
    ):
        mirror = mirror_of(store, name, tracking_uri=places.tracking_uri, home=places.root)
        failure = mirror_failure(mirror.delete)
        _remove(places.root.folders(name))
        with lease.held():
            store.delete_sweep(name)
    return failure


def _check_free(store: Store, name: str, sources: Iterable[Path], targets: Iterable[Path]) -> None:
    """Refuse a name that is taken, or that files are left of.

    A folder that is not there under the old name, but under the new, was moved by a call that was
    killed before it had changed the record.

    Raises:
        InputError: It is.
    """
    if any(sweep.name == name for sweep in store.sweeps()):
        raise InputError(f"a sweep called {name!r} exists already: choose another name")
    for source, target in zip(sources, targets, strict=False):
        if os.path.lexists(source) and os.path.lexists(target):
            raise InputError(f"{target} is there already: choose another name, or move it away")


@contextmanager
def _moved(sources: Iterable[Path], targets: Iterable[Path]) -> Iterator[None]:
    """Move folders that are there, and back where the block raises.

    Raises:
        InputError: One cannot be moved.
    """
    with ExitStack() as back:
        for source, target in zip(sources, targets, strict=False):
            if not os.path.lexists(source):
                continue
            try:
                source.rename(target)
            except OSError as error:
                raise InputError(f"{source} cannot be moved ({error.strerror})") from None
            back.callback(target.rename, source)
        yield
        back.pop_all()


def _remove(folders: Iterable[Path]) -> None:
    """Remove folders that are there.

    Raises:
        InputError: One cannot be removed.
    """
    for folder in filter(os.path.lexists, folders):
        try:
            rmtree(folder)
        except OSError as error:
            raise InputError(
                f"{error.filename or folder} cannot be removed ({error.strerror or error})"
            ) from None


def _bring_level(store: Store, name: str, places: Places) -> str | None:
    """Let the front's files and MLflow have the new name; return why MLflow has not."""
    folder = places.root.sweep(name)
    if folder.exists():
        with suppress(InputError, OSError):  # its workload is not at hand, or the disk is full
            write_front(ranked_trials(store, name), folder)
    mirror = mirror_of(store, name, tracking_uri=places.tracking_uri, home=places.root)
    return mirror_failure(mirror.rename)
