"""Carrying out a sweep: Ray Tune runs the trials, the driver records them in the store."""

import logging
import os
import platform
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune
from rich.console import Console

from objectives import InputError
from sweeps.home import Home
from sweeps.mlflow_client import check_tracking_uri, is_server
from sweeps.progress import LiveProgress
from sweeps.recorder import Recorder
from sweeps.records import SweepState, TrialState
from sweeps.report import Front, read_front, write_front
from sweeps.search import OptunaSearcher, make_sampler
from sweeps.spec import Resources, SweepSpec
from sweeps.store import Store
from sweeps.tracking import MirrorThread, MlflowMirror
from sweeps.trainable import TrialTrainable
from trainer import Embedder, SplitDataset, load_data

__all__ = ["Finished", "run_sweep"]

_LIBRARIES: Final = (
    "tcm-sweeps",
    "torch",
    "timm",
    "pytorch-metric-learning",
    "ray",
    "optuna",
    "mlflow",
    "sqlalchemy",
    "numpy",
)
_CONNECT_SECONDS: Final = 10.0
# Ray's own output, loggers and experiment snapshots: the store and the live view replace them.
_QUIET_RAY: Final = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a sweep left.

    Attributes:
        front: The front of all trials that completed.
        files: front.json, front.csv, front.html and front.png.
        mirror_error: Why MLflow is not level with the store; None if it is.
    """

    front: Front
    files: tuple[Path, ...]
    mirror_error: str | None


def run_sweep(
    spec: SweepSpec,
    *,
    home: Home,
    console: Console,
    store_url: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
) -> Finished:
    """Carry out a sweep: sample, train, score, record, mirror; then draw its front.

    Args:
        spec: What to do.
        home: Where everything is written that has no other place.
        console: Where progress is shown.
        store_url: SQLAlchemy URL of the store; SQLite under the home if None.
        tracking_uri: MLflow's; SQLite under the home if None.
        address: A Ray cluster's address; a local Ray is started for the run if None.

    Raises:
        InputError: The data cannot be loaded or split, the backbone or batch size does not fit,
            the name is taken, or the store or the cluster cannot be reached.
        KeyboardInterrupt: The user stopped it; the store says so.
    """
    _check_address(address)
    tracking = tracking_uri or home.tracking_uri
    check_tracking_uri(tracking)
    data = _load(spec)
    # The store comes last: what cannot start leaves no file.
    with (
        _ray_cluster(address, spec.resources),
        closing(Store.open(store_url or home.store_url)) as store,
    ):
        provenance = _provenance(data)
        store.create_sweep(spec.name, spec=spec.model_dump(mode="json"), provenance=provenance)
        mirror = MlflowMirror(
            store,
            spec.name,
            tracking_uri=tracking,
            # A server knows where its artifacts go; a database alone does not.
            artifact_root=None if is_server(tracking) else home.artifacts,
            objectives=spec.objective_records(),
        )
        with MirrorThread(mirror) as mirroring, _final_state(store, spec.name):
            _tune(spec, data, store, home, console)
        front = read_front(store, spec.name)
        error = mirroring.last_error
        return Finished(
            front=front,
            files=write_front(front, home.sweep(spec.name)),
            mirror_error=str(error) if error else None,
        )


def _load(spec: SweepSpec) -> SplitDataset:
    """Load the data and check against it what the spec alone cannot tell."""
    data = load_data(spec.data)
    space = spec.search_space()
    for backbone, pretrained in product(space.values("backbone"), space.values("pretrained")):
        # Refuses what timm does not have, or cannot load, or what does not take these images.
        Embedder(
            backbone=str(backbone),
            pretrained=bool(pretrained),
            embedding_dim=2,
            channels=data.dataset.images.channels,
            image_size=data.dataset.images.size,
        )
    needed = space.largest_class_count()
    classes = data.class_count("train")
    if needed > classes:
        raise InputError(
            f"batch_size: a batch of this space can need {needed} classes "
            f"(batch_size / samples_per_class), the training split has {classes}"
        )
    return data


def _check_address(address: str | None) -> None:
    """Refuse at once an address where nothing listens; Ray tries for 80 s and then exits."""
    if address and address.startswith("ray://"):
        raise InputError(f"--address: {address!r} is for Ray Client; give host:port of the cluster")
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--address: nothing answers at {address!r} ({error})") from None


@contextmanager
def _ray_cluster(address: str | None, resources: Resources) -> Iterator[None]:
    os.environ.update(_QUIET_RAY)
    try:
        ray.init(
            address or "local", include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        # It lists the trials that failed; the store says why they did.
        logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:
        where = f"--address: no Ray at {address!r}" if address else "no local Ray could be started"
        raise InputError(f"{where} ({error})") from error
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
    for name, wanted in resources.model_dump().items():
        if wanted > here.get(name.upper(), 0):
            raise InputError(
                f"resources.{name}: a trial needs {wanted:g}, and this machine has "
                f"{here.get(name.upper(), 0):g}"
            )


@contextmanager
def _final_state(store: Store, sweep: str) -> Iterator[None]:
    """Record how the sweep ended, and leave no trial RUNNING."""
    state, reason = SweepState.FAILED, "the sweep failed"
    try:
        yield
        state = SweepState.COMPLETE
    except KeyboardInterrupt:
        state, reason = SweepState.INTERRUPTED, "the sweep was interrupted"
        raise
    finally:
        for trial in store.trials(sweep):
            if trial.state is TrialState.RUNNING:
                store.finish_trial(sweep, trial.number, TrialState.FAILED, reason)
        store.finish_sweep(sweep, state)


def _tune(spec: SweepSpec, data: SplitDataset, store: Store, home: Home, console: Console) -> None:
    objectives = spec.objective_records()
    searcher = OptunaSearcher(
        spec.search_space(),
        objectives,
        trials=spec.budget.trials,
        sampler=make_sampler(spec.sampler, seed=spec.seed),
    )
    total = searcher.total
    with LiveProgress(
        console, store=store, sweep=spec.name, objectives=objectives, total=total
    ) as progress:
        # Not Tuner: it pickles its callbacks, for a restore that is not used here.
        tune.run(
            TrialTrainable,
            name=spec.name,
            config={
                "data": spec.data.model_dump(mode="json"),
                "fingerprint": data.fingerprint,
                "calibration": asdict(spec.scoring),
                "threads": spec.resources.cpu,
            },
            search_alg=searcher,
            num_samples=total,
            max_concurrent_trials=spec.budget.max_concurrent,
            resources_per_trial=spec.resources.model_dump(),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['number']:04d}",
            callbacks=[Recorder(store, spec.name, progress)],
            storage_path=str(home.ray),
            raise_on_failed_trial=False,
            verbose=0,
        )


def _provenance(data: SplitDataset) -> dict[str, Any]:
    return {
        "data": {
            "name": data.dataset.name,
            "fingerprint": data.fingerprint,
            "images": len(data.dataset.items),
            "train_classes": data.class_count("train"),
        },
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }
