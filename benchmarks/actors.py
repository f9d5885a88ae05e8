"""The memory of trials that share a machine, whose images are mapped and not held by each.

``python -m benchmarks.actors FOLDER [--actors N] [--json FILE]``, of a folder of class folders.
Each actor is one of Ray's that trains 30 steps at 224 pixels and is scored, as in a sweep. Then
Linux says what each holds: its resident memory but for the pages of the cache, what of it is its
own and its share of what they hold together (the libraries), and how much of the cache is in
memory, once for all.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import ray

from benchmarks.results import Comparison, arguments, publish
from sweeps.execution.trainable import TrialTrainable
from trainer import DataConfig, TrialConfig, load_data
from trainer.data.decoded import StoredImages

_TRIAL: Final[dict[str, Any]] = {
    "backbone": "test_resnet",
    "embedding_dim": 64,
    "batch_size": 32,
    "epochs": 1,
    "steps": 30,
    "augmentation": "standard",
}
_BAR: Final = 1.2e9 / 2**20
_PIXELS: Final = ".bin"


def measure(folder: Path, cache: Path, *, actors: int) -> list[Comparison]:
    """Return what the actors hold, at most and on average, beside the bar.

    Args:
        folder: Class folders of images.
        cache: The folder of decoded caches.
        actors: How many there are at a time.
    """
    split = {"train": 0.9, "validation": 0.05, "test": 0.05}
    data = {"folder": str(folder), "image_size": 224, "split": split}
    loaded = load_data(DataConfig.model_validate(data), cache=cache)
    config = {
        "workload": "metric_learning",
        "data": data,
        "fingerprint": loaded.fingerprint,
        "cache": str(cache),
        "scoring": {},
        "objectives": ["recall_at_1", "opis"],
        "resources": {"cpu": 1},
        "config": TrialConfig.model_validate(_TRIAL).model_dump(mode="json"),
        "seed": 0,
    }
    held = _train(config, actors)
    images = loaded.dataset.images
    assert isinstance(images, StoredImages)
    size = sum(file.stat().st_size for file in images.folder.glob(f"*{_PIXELS}")) / 2**20
    shape = f"{len(loaded.dataset.items)} images, {actors} actors"
    return [
        _against_the_bar(f"{shape}: resident, at most", max(each["Rss"] for each in held)),
        _against_the_bar(f"{shape}: its share, mean", sum(each["Pss"] for each in held) / actors),
        _against_the_bar(f"{shape}: its own, at most", max(each["Anonymous"] for each in held)),
        Comparison(
            work=f"{shape}: pages of the cache in memory",
            ours=sum(each["cache"] for each in held),
            peer="the cache once",
            theirs=size,
            bar=1.0,
            unit="MiB",
        ),
    ]


def _against_the_bar(work: str, held: float) -> Comparison:
    return Comparison(work=work, ours=held, peer="1.2 GB", theirs=_BAR, bar=1.0, unit="MiB")


def _train(config: dict[str, Any], actors: int) -> list[dict[str, float]]:
    """Train an epoch in each actor; return what each then holds, in MiB by kind."""
    ray.init(num_cpus=actors, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        kind = ray.remote(num_cpus=1)(TrialTrainable)
        running = [kind.remote(config=config) for _ in range(actors)]
        failures = [each["failure"] for each in ray.get([a.train.remote() for a in running])]
        if any(failures):
            raise RuntimeError(failures)
        places = ray.get([each.get_current_ip_pid.remote() for each in running])
        return [_held(pid) for _, pid in places]
    finally:
        ray.shutdown()


def _held(pid: int) -> dict[str, float]:
    """Return what a process holds by kind, in MiB, the share of the cache's pages apart."""
    held = dict.fromkeys(("Rss", "Pss", "Anonymous", "cache"), 0.0)
    of_the_cache = False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        name, value = line.split(maxsplit=1)
        if not name.endswith(":"):  # the first line of a mapping, with its file
            of_the_cache = value.endswith(_PIXELS)
        elif of_the_cache and name == "Pss:":
            held["cache"] += _mebibytes(value)
        elif not of_the_cache and name[:-1] in held:
            held[name[:-1]] += _mebibytes(value)
    return held


def _mebibytes(value: str) -> float:
    return int(value.removesuffix(" kB")) / 1024


def main() -> None:
    """Run the benchmark."""
    parser: argparse.ArgumentParser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, help="class folders of images")
    parser.add_argument("--actors", type=int, default=8)
    parser.add_argument("--cache", type=Path, default=Path(".sweeps/cache"))
    options = parser.parse_args()
    rows = measure(options.folder, options.cache, actors=options.actors)
    publish("The memory of trials that share a machine", rows, file=options.json)


if __name__ == "__main__":
    main()
