"""Token of a Ray cluster that asks for one: sent where there is one here, and else asked for.

Ray sends none to a cluster that is named by its address, unless it is told to. It also goes on for
20 s where it is refused, and says so on the terminal line by line, but not in its error. All of
this is Ray's own and may be other in other versions; where it is not there, nothing is done.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray

from objectives import InputError
from sweeps.store import redacted

__all__ = ["use_token"]

_MODE: Final = "RAY_AUTH_MODE"
_HELP: Final = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the token of the cluster's head, or "
    "RAY_AUTH_TOKEN_PATH to a file with it (on the head: ~/.ray/auth_token)"
)


def use_token(address: str) -> None:
    """Let this process send its token, where the cluster at ``host:port`` asks for one.

    Raises:
        InputError: It refuses the token, there is none here, or nothing there is a cluster's head.
    """
    raylet: Any = ray._raylet
    if not hasattr(raylet, "AuthenticationTokenLoader") or not hasattr(raylet.Config, "initialize"):
        return
    raylet.Config.initialize("")
    mode, has_token = os.environ.get(_MODE, "").lower(), _has_token(raylet)
    if mode == "token" and not has_token:  # Ray would end this process
        raise InputError(f"{_MODE} is 'token', and there is no token here: {_HELP}")
    if _admits(raylet, address):
        return
    if not mode and has_token:
        _set_mode(raylet, "token")
        if _admits(raylet, address):
            return
        _set_mode(raylet, None)
    why = f"{_MODE} is {mode!r}" if mode not in ("", "token") else "refuses the one that is here"
    why = why if has_token else "there is none here"
    shown = redacted(address)
    raise InputError(
        f"the cluster at {shown!r} asks for a token, and {why}: {_HELP}", field="address"
    )


def _has_token(raylet: Any) -> bool:
    loader = raylet.AuthenticationTokenLoader.instance()
    loader.reset_cache()
    try:
        return bool(loader.has_token(ignore_auth_mode=True))
    except ray.exceptions.AuthenticationError:  # the file that is named is not there, or empty
        return False
    finally:
        # What is loaded this process asks of others, too: of a cluster that has none, for one.
        loader.reset_cache()


def _set_mode(raylet: Any, mode: str | None) -> None:
    if mode is None:
        os.environ.pop(_MODE, None)
    else:
        os.environ[_MODE] = mode
    raylet.Config.initialize("")


def _admits(raylet: Any, address: str) -> bool:
    """Whether the cluster lets this process in."""
    try:
        with _no_stderr():
            raylet.GcsClient(address=address)
    except ray.exceptions.AuthenticationError:
        return False
    except ray.exceptions.RayError as error:
        said = redacted(f"no Ray at {address!r} ({error})")
        raise InputError(said, field="address") from error
    return True


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Keep what Ray's C++ says off the terminal."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
