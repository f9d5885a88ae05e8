"""Mirrors of sweeps in MLflow, where a home or a server keeps them."""

from collections.abc import Callable

from objectives import InputError
from sweeps.execution.places import Places
from sweeps.home import Home
from sweeps.store import Store
from sweeps.tracking import MlflowMirror, is_server, said_by

__all__ = ["mirror_failure", "mirror_of", "replay_sweep"]


def mirror_of(store: Store, sweep: str, *, tracking_uri: str, home: Home) -> MlflowMirror:
    """Return what brings MLflow level with the store."""
    # A server knows where its artifacts go; a database alone does not.
    root = None if is_server(tracking_uri) else home.artifacts
    return MlflowMirror(store, sweep, tracking_uri=tracking_uri, artifact_root=root)


def mirror_failure(action: Callable[[], None]) -> str | None:
    """Have something done in MLflow; return why it failed, None if it did not."""
    try:
        action()
    except Exception as error:
        return said_by(error)
    return None


def replay_sweep(
    name: str,
    *,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
) -> None:
    """Bring MLflow level with the store: give it all of a sweep, whatever it was given before.

    What it has already stays as it is, so that an MLflow that is new, or has lost something, ends
    with the same content as one that was there all the time. Not for a sweep that still runs, which
    mirrors itself.

    Args:
        name: The sweep.
        home: As `sweeps.run_sweep`, like all that follow.
        store_url: SQLAlchemy URL of the store.
        tracking_uri: MLflow's.

    Raises:
        InputError: There is no such sweep, or MLflow cannot be reached, or refuses.
    """
    places = Places(home=home, store=store_url, tracking=tracking_uri)
    with Store.open(places.store_url, create=False) as store:
        store.sweep(name)
        try:
            mirror_of(store, name, tracking_uri=places.tracking_uri, home=places.root).replay()
        except Exception as error:
            raise InputError(
                f"MLflow cannot be brought level with the store: {said_by(error)}",
                field="tracking_uri",
            ) from error
