"""Ray for the length of a sweep: a cluster's, or one of its own."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ray

from objectives import InputError
from sweeps.execution.ray_token import use_token
from sweeps.spec import Resources
from sweeps.store import redacted

__all__ = ["check_address", "ray_cluster"]

_CONNECT_SECONDS: Final = 10.0
# Ray's own output, loggers and experiment snapshots: the store and the live view replace them. How
# many trials wait is left to the searcher: of a single one at a time, one actor at a time starts.
_OF_RAY: Final = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def check_address(address: str | None) -> None:
    """Refuse at once an address where nothing listens; Ray tries for 80 s and then exits.

    Raises:
        InputError: As said, or it is one of Ray Client.
    """
    shown = redacted(address or "")
    if address and "://" in address:
        raise InputError(
            f"{shown!r} is for Ray Client; give host:port of the cluster", field="address"
        )
    if address is None or not _has_port(address):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the last of a host that is no name
        said = redacted(str(error))
        raise InputError(f"nothing answers at {shown!r} ({said})", field="address") from None


def _has_port(address: str) -> bool:
    port = address.rpartition(":")[2]
    return port.isascii() and port.isdigit()


@contextmanager
def ray_cluster(address: str | None, resources: Resources) -> Iterator[None]:
    """Connect to the cluster at the address, or start a local Ray, until the block ends.

    Raises:
        InputError: There is none, it does not let this process in, or this machine has not what a
            trial needs.
    """
    os.environ.update(_OF_RAY)
    if address and _has_port(address):
        use_token(address)
    try:
        ray.init(
            address or "local", include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        # It lists the trials that failed; the store says why they did.
        logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)
    except (OSError, RuntimeError, ValueError, SystemExit, ray.exceptions.RayError) as error:
        said = redacted(str(error))
        if address:
            shown = redacted(address)
            raise InputError(f"no Ray at {shown!r} ({said})", field="address") from error
        raise InputError(f"no local Ray could be started ({said})") from error
    try:
        if address in (None, "local"):
            _check_resources(resources)
        with _sigterm_as_ctrl_c():
            yield
    finally:
        ray.shutdown()


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let a scheduler's request to end do what Ctrl-C does; Ray's own handler aborts."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread may set a handler
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _check_resources(resources: Resources) -> None:
    """Refuse a trial that would wait for ever; a cluster may yet grow, this machine does not."""
    here = ray.cluster_resources()
    for name, wanted in (("cpu", resources.cpu), ("gpu", resources.gpu_share)):
        if wanted > here.get(name.upper(), 0):
            raise InputError(
                f"a trial needs {wanted:g}, and this machine has {here.get(name.upper(), 0):g}",
                field=f"resources.{name}",
            )
